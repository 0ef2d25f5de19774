"""The address of a server that keeps limits of the whole cluster."""

from typing import Annotated
from urllib.parse import urlsplit

from pydantic import AfterValidator


def _url(text: str) -> str:
    parts = urlsplit(text)
    if parts.password is not None:
        raise ValueError(
            "a password does not belong into a ConfigMap: put it into a Secret and name the mounted file in the setting"
            " limit_password_file of the node"
        )
    if parts.scheme not in ("redis", "rediss") or not parts.hostname or parts.query or parts.fragment:
        raise ValueError("expected redis://HOST:PORT/DATABASE, or rediss:// for TLS")
    if parts.path not in ("", "/") and not parts.path[1:].isdecimal():
        raise ValueError("the path is the number of a database, such as /0")
    _ = parts.port  # raises ValueError with a message of its own
    return text


ServerUrl = Annotated[str, AfterValidator(_url)]
"""`redis://host:port/database`, or `rediss:` for TLS. A password is not part of it."""
