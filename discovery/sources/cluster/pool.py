"""The connections to an API server: TLS, and a proxy if there is one, as the configuration and the environment say."""

import ssl
from urllib.parse import SplitResult, unquote, urlsplit
from urllib.request import getproxies, proxy_bypass

import httpcore

from discovery.sources.cluster.client_modules import Configuration

IDLE_S = 15.0  # an API server closes idle connections after 90 s and more


def pool_of(configuration: Configuration) -> httpcore.AsyncConnectionPool:
    """An empty pool, without a limit: each watch is a connection, and their number is bounded where they are started.

    Raises:
        ValueError: a URL is not one.
        OSError: a file of the configuration cannot be read, or holds no certificates.
    """
    context = _context(configuration)
    proxy = _proxy(configuration)
    if proxy is None:
        return httpcore.AsyncConnectionPool(ssl_context=context, max_connections=None, keepalive_expiry=IDLE_S)
    user, password = (None if each is None else unquote(each) for each in (proxy.username, proxy.password))
    return httpcore.AsyncHTTPProxy(
        proxy._replace(netloc=proxy.netloc.rpartition("@")[2]).geturl(),
        proxy_auth=None if user is None else (user, password or ""),
        proxy_headers=configuration.proxy_headers,
        ssl_context=context,
        max_connections=None,
        keepalive_expiry=IDLE_S,
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
