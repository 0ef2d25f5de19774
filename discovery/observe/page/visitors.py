"""Who may read the page: the user of this machine's browser, and no site that this browser has open.

The page has no login; it listens at a loopback address. So a browser's requests are checked: `Host` against DNS
rebinding (a name of an attacker that resolves to 127.0.0.1), `Origin` and `Sec-Fetch-Site` against other sites.
Programs send neither of the latter.
"""

from collections.abc import Collection
from ipaddress import ip_address

from discovery.observe.server import Asked, Page
from discovery.problem import shown

CONTENT_SECURITY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; base-uri 'none'; "
    "form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'"
)
LINES = (
    f"Content-Security-Policy: {CONTENT_SECURITY}\r\nX-Content-Type-Options: nosniff\r\n"
    "Referrer-Policy: no-referrer\r\n"
    "Cross-Origin-Opener-Policy: same-origin\r\nCross-Origin-Resource-Policy: same-origin\r\n"
)
OWN_SITES = ("", "same-origin", "none")
"""What a browser says of a request of the page itself, or one that its user has typed; "" is no browser."""


class Visitors:
    """Refuses requests that may come from another site; `hosts` are the names beside those of loopback."""

    def __init__(self, hosts: Collection[str] = (), index: Collection[str] = ("/", "/index.html")) -> None:
        """`index` are the paths that links of other sites may lead to: they show nothing by themselves."""
        self._hosts = frozenset(host.lower() for host in hosts)
        self._index = frozenset(index)

    def refusal(self, asked: Asked) -> Page | None:
        """Why `asked` is not answered; None if it is."""
        fields = asked.fields
        host, origin = fields.get("host", ""), fields.get("origin")
        if not self._is_own(host):
            text = f"this page is not served as {shown(host)}: use a loopback address, or add the host to page_hosts\n"
            return Page(421, text.encode())
        if origin is not None and origin.lower() not in (f"http://{host.lower()}", f"https://{host.lower()}"):
            return Page(403, f"requests of the origin {shown(origin)} are refused\n".encode())
        site = fields.get("sec-fetch-site", "").lower()
        if site not in OWN_SITES and not self._followed(asked):
            return Page(403, f"requests of another site are refused (Sec-Fetch-Site: {shown(site)})\n".encode())
        return None

    def _is_own(self, host: str) -> bool:
        name = _name_of(host)
        return name == "localhost" or name in self._hosts or _is_loopback(name)

    def _followed(self, asked: Asked) -> bool:
        """Whether it is a link that the user has followed, in a window of its own."""
        fields = asked.fields
        navigates = fields.get("sec-fetch-mode") == "navigate" and fields.get("sec-fetch-dest") == "document"
        return navigates and asked.path in self._index


def _name_of(host: str) -> str:
    """The host of a field Host, without its port and in lower case; "" for what is none."""
    if host.startswith("["):
        address, bracket, rest = host[1:].partition("]")
        return address.lower() if bracket and _is_port(rest) else ""
    name, colon, port = host.partition(":")
    return name.lower() if _is_port(colon + port) else ""


def _is_port(rest: str) -> bool:
    return not rest or (rest[0] == ":" and rest[1:].isascii() and rest[1:].isdecimal())


def _is_loopback(name: str) -> bool:
    try:
        return ip_address(name).is_loopback
    except ValueError:
        return False
