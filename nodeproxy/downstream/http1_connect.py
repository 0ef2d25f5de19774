"""CONNECT: from a 200 on, all requests of the connection are for the service port that its target names.

Not a tunnel: what follows is read as requests, each with its policies, and only endpoints are dialled. After a refusal
the connection ends: the bytes behind the CONNECT were meant for a different server.
Source: RFC 9110, 9.3.6; RFC 9931 (a proxy that refuses CONNECT closes).
"""

from collections.abc import Coroutine
from dataclasses import replace
from typing import Any

from nodeproxy.downstream.closing import LINGER_S, linger
from nodeproxy.downstream.context import ConnectionContext
from nodeproxy.downstream.http1_reply import Reply
from nodeproxy.downstream.prefaces import without_tls
from nodeproxy.errors import ConnectRefused, ProxyError, UnknownService
from nodeproxy.exchange.exchange import Exchange
from nodeproxy.io.channel import SocketChannel
from nodeproxy.protocol.http1.request_head import ConnectAsked

ESTABLISHED = b"HTTP/1.1 200 Connection established\r\n\r\n"  # RFC 9110, 9.3.6: without any framing


async def answer_connect(
    context: ConnectionContext, exchange: Exchange, asked: ConnectAsked, channel: SocketChannel, reply: Reply
) -> ConnectionContext | None:
    """Answer the CONNECT of `exchange`; returns the context of all further requests, None after a refusal."""
    request = exchange.request
    channel.reactor.current.limit(channel.reactor.now + LINGER_S)
    refusing: Coroutine[Any, Any, None] | None = None
    try:
        if not context.understands_connect:
            raise ConnectAsked(asked.head)
        route = context.match(request, exchange.caller.namespace)
    except ProxyError as error:
        refusing = _refuse(context, exchange, error, channel, reply)
    if refusing is not None:
        await refusing
        return None
    context.stats.connects += 1
    await channel.send(ESTABLISHED)
    if context.observer is not None:
        elapsed_s = context.reactor.clock() - exchange.started
        context.observer.exchange_ended(exchange, route.name, 200, "", elapsed_s)
    return replace(
        context,
        match=lambda _request, namespace: context.match(request, namespace),
        understands_connect=False,
        prefaces=without_tls(context.prefaces),
    )


async def _refuse(
    context: ConnectionContext, exchange: Exchange, error: ProxyError, channel: SocketChannel, reply: Reply
) -> None:
    if isinstance(error, UnknownService):
        error = ConnectRefused(f"CONNECT reaches HTTP ports of services in the mesh and nothing else: {error}")
    context.count(exchange, None, error.status, error.reason)
    try:
        await channel.send(reply.refusal(error, b""))
        await linger(channel)
    except ProxyError:
        pass
