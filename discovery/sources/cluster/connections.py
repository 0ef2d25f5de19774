"""The connections to an API server: TLS, and a proxy if there is one, as the configuration and the environment say."""

import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from urllib.parse import SplitResult, unquote, urlsplit
from urllib.request import getproxies, proxy_bypass

import httpcore

from discovery.sources.cluster.client_modules import Configuration
from discovery.sources.cluster.network import Network

IDLE_MOST = 4
IDLE_S = 15.0  # an API server closes idle connections after 90 s and more


class Connections:
    """One for each request under way, which ends with it unless it has gone well: those are used again.

    A pool of httpcore for all would keep the connection of a request that is cancelled while it connects, for ever.

    Raises:
        ValueError: a URL is not one.
        OSError: a file of the configuration cannot be read, or holds no certificates.
    """

    def __init__(self, configuration: Configuration) -> None:
        self._context = _context(configuration)
        self._proxy = _proxy(configuration)
        self._proxy_headers = configuration.proxy_headers
        self._idle: list[httpcore.AsyncConnectionPool] = []

    @asynccontextmanager
    async def one(self) -> AsyncIterator[httpcore.AsyncConnectionPool]:
        """A pool of one connection, opened when it is used."""
        pool = self._idle.pop() if self._idle else self._new()
        try:
            yield pool
        except BaseException:
            await pool.aclose()
            raise
        if len(self._idle) < IDLE_MOST:
            self._idle.append(pool)
        else:
            await pool.aclose()

    async def aclose(self) -> None:
        """Close those that are idle."""
        while self._idle:
            await self._idle.pop().aclose()

    def _new(self) -> httpcore.AsyncConnectionPool:
        if self._proxy is None:
            return httpcore.AsyncConnectionPool(
                ssl_context=self._context, max_connections=1, keepalive_expiry=IDLE_S, network_backend=Network()
            )
        user, password = self._proxy.username, self._proxy.password
        return httpcore.AsyncHTTPProxy(
            self._proxy._replace(netloc=self._proxy.netloc.rpartition("@")[2]).geturl(),
            proxy_auth=None if user is None else (unquote(user), unquote(password or "")),
            proxy_headers=self._proxy_headers,
            ssl_context=self._context,
            max_connections=1,
            keepalive_expiry=IDLE_S,
            network_backend=Network(),
        )


def _context(configuration: Configuration) -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=configuration.ssl_ca_cert)
    if configuration.cert_file:
        context.load_cert_chain(configuration.cert_file, configuration.key_file)
    if not configuration.verify_ssl:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    if configuration.disable_strict_ssl_verification:
        context.verify_flags &= ~ssl.VERIFY_X509_STRICT
    if configuration.tls_server_name:
        _ask_for(configuration.tls_server_name, context)
    return context


def _ask_for(name: str, context: ssl.SSLContext) -> None:
    """Make all connections of `context` ask for this name; httpcore knows no other than the host's through a proxy."""
    wrap = context.wrap_bio

    def wrap_bio(
        incoming: ssl.MemoryBIO,
        outgoing: ssl.MemoryBIO,
        server_side: bool = False,
        server_hostname: str | bytes | None = None,
        session: ssl.SSLSession | None = None,
    ) -> ssl.SSLObject:
        return wrap(incoming, outgoing, server_side, name, session)

    context.wrap_bio = wrap_bio  # type: ignore[method-assign]


def _proxy(configuration: Configuration) -> SplitResult | None:
    """That of the kubeconfig (`proxy-url`), else of the environment (HTTPS_PROXY, and NO_PROXY)."""
    server = urlsplit(str(configuration.host))
    found: str | None = configuration.proxy
    if not found and not proxy_bypass(server.netloc.rpartition("@")[2]):
        found = getproxies().get(server.scheme)
    return urlsplit(found if "://" in found else f"http://{found}") if found else None
