"""The innermost handler of a service: chooses an endpoint, sends the request, reads the response's head."""

from dataclasses import dataclass

from nodeproxy.balance.balancer import Balancer
from nodeproxy.balance.sticky import StickyBalancer
from nodeproxy.errors import (
    BadResponse,
    BodyTimeout,
    ConnectFailed,
    ConnectionLost,
    DeadlinePassed,
    EndpointError,
    NoEndpoints,
)
from nodeproxy.exchange.body import ReceivedBody, WholeBody
from nodeproxy.exchange.exchange import Exchange
from nodeproxy.io.channel import SocketChannel
from nodeproxy.io.reactor import Reactor
from nodeproxy.mesh.model import Service
from nodeproxy.protocol.http1.framing import decoder
from nodeproxy.protocol.http1.head import HeadLimits
from nodeproxy.protocol.http1.response_head import ResponseHead
from nodeproxy.protocol.http1.scan import scan_response
from nodeproxy.protocol.http1.sending import request_head
from nodeproxy.protocol.message import Response
from nodeproxy.protocol.method import IDEMPOTENT
from nodeproxy.upstream.endpoint import Endpoint
from nodeproxy.upstream.upload import Upload

CONNECTS_MOST = 3  # endpoints tried before a connect failure is told to the policies: one rack may be down, not all
INTERIM_MOST = 16  # 1xx heads before a response; more is an endpoint gone wild


@dataclass(frozen=True, slots=True)
class Upstream:
    """Sends exchanges to the endpoints of one service port. `name` is for messages, `connect_s` bounds a connect."""

    name: str
    balancer: Balancer[Endpoint] | StickyBalancer[Endpoint]
    reactor: Reactor
    connect_s: float
    limits: HeadLimits
    none_ready: str
    """What the operator is told when there is no endpoint; see `none_ready`."""

    async def __call__(self, exchange: Exchange) -> Response:
        """The response of an endpoint; see `policies.exchange.Handler`.

        Raises:
            NoEndpoints: the service has none.
            EndpointError: what went wrong on the way; connect failures have been tried on other endpoints.
        """
        connects = 1
        while True:
            endpoint = self.balancer.next(self.reactor.now, exchange)
            if endpoint is None:
                raise NoEndpoints(f"{self.name}: {self.none_ready}")
            exchange.tries += 1
            exchange.endpoint_name = endpoint.name
            endpoint.active += 1
            try:
                response = await self._send(exchange, endpoint)
            except BaseException as error:
                endpoint.active -= 1
                if isinstance(error, EndpointError):
                    exchange.tried = [*(exchange.tried or ()), endpoint]
                    if isinstance(error, ConnectFailed):
                        self.balancer.review(self.reactor.now)
                        if connects < CONNECTS_MOST and self.balancer.has_others(exchange.tried):
                            connects += 1
                            continue
                raise
            response.endpoint = endpoint
            return response

    async def _send(self, exchange: Exchange, endpoint: Endpoint) -> Response:
        channel = endpoint.take()
        if channel is not None:
            try:
                return await self._ask(exchange, endpoint, channel)
            except ConnectionLost:
                # The endpoint closed the idle connection while the request was under way (RFC 9112, 9.3.1).
                if exchange.request.method not in IDEMPOTENT or not exchange.may_be_delivered_again():
                    raise
        return await self._ask(exchange, endpoint, await endpoint.connect(self.connect_s))

    async def _ask(self, exchange: Exchange, endpoint: Endpoint, channel: SocketChannel) -> Response:
        upload, body = None, exchange.body
        exchange.deliveries += 1
        try:
            if type(body) is WholeBody:
                await self._send_whole(channel, request_head(exchange.request, exchange.added) + body.take())
            else:
                await channel.send(request_head(exchange.request, exchange.added))
                upload = Upload(exchange, channel)
            head, data = await self._read_head(exchange, channel)
        except BaseException as error:
            channel.close()
            if upload is not None:
                upload.stop()
                if isinstance(error, DeadlinePassed) and upload.awaits_client:
                    raise BodyTimeout("nothing more comes of the request's body") from error
            raise
        return self._response(exchange, endpoint, Answer(channel, upload, head, data))

    async def _send_whole(self, channel: SocketChannel, message: bytes) -> None:
        try:
            await channel.send(message)
        except ConnectionLost:
            # What it sent before it closed may still be there: a refusal is a better answer than none.
            return

    async def _read_head(self, exchange: Exchange, channel: SocketChannel) -> tuple[ResponseHead, bytes]:
        """The final response's head and everything received with it."""
        data, more, scanned, interims = b"", b"", 0, 0
        while True:
            head = None
            if b"\n" in more or len(data) > 2 * scanned:
                head, scanned = scan_response(data, self.limits), len(data)
            if head is None:
                try:
                    more = await channel.recv()
                    if not more:
                        raise ConnectionLost("closed before its response")
                except EndpointError:
                    exchange.answered = bool(data or interims)
                    raise
                data += more
            elif head.response.status >= 200:
                return head, data
            else:
                interims += 1
                status = head.response.status
                if status == 101 or interims > INTERIM_MOST:
                    raise BadResponse(f"unexpected {status}, the {interims}. interim response")
                if exchange.interim is not None:
                    await exchange.interim(head.response)
                data = more = data[head.end :]

    def _response(self, exchange: Exchange, endpoint: Endpoint, answer: "Answer") -> Response:
        head, data = answer.head, answer.data
        response = head.response
        if exchange.request.method == b"HEAD" or response.status in (204, 304):
            if response.status == 204 and head.framed and response.length:
                # RFC 9112, 6.3: it ends with its head. What it announced may still come: nothing else does from there.
                data = b""
            response.length = 0
        length = response.length
        end = head.end + length
        if length >= 0 and (len(data) >= end or not data):
            answer.over(endpoint, reusable=len(data) == end)
            response.first = data[head.end : end]
            return response

        def over(body: ReceivedBody, complete: bool) -> None:
            answer.over(endpoint, reusable=complete and not body.surplus and head.framed)

        reader = decoder(length, until_close=not head.framed, lenient=True)
        response.body = ReceivedBody(answer.channel, length, reader, data[head.end :], over)
        response.body.nominated = head.nominated
        return response


def none_ready(service: Service) -> str:
    """Why a service has no endpoint, and what to check."""
    if service.only_local:
        return (
            "internalTrafficPolicy is Local and no endpoint on this node is ready; "
            "PreferSameNode prefers instead of insisting"
        )
    return "no endpoint is ready; check its pods and EndpointSlices"


@dataclass(frozen=True, slots=True)
class Answer:
    """A response's head and what came with it, on the connection it came from."""

    channel: SocketChannel
    upload: Upload | None
    head: ResponseHead
    data: bytes

    def over(self, endpoint: Endpoint, reusable: bool) -> None:
        """The response has been read or given up; its connection may serve again if both sides said all they had to."""
        if self.upload is not None and not self.upload.complete:
            self.upload.stop()
            reusable = False
        if reusable and self.head.persistent:
            endpoint.give_back(self.channel)
        else:
            self.channel.close()
