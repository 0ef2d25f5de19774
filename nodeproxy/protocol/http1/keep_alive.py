"""The field Keep-Alive: how long a server keeps an idle connection open. It is hop-by-hop and never forwarded."""

import re
from math import inf

_TIMEOUT = re.compile(rb"\nkeep-alive:(?:[^\r\n]*[,; \t])?timeout[ \t]*=[ \t]*\"?([0-9]{1,9})", re.IGNORECASE)


def idle_timeout_s(head: bytes) -> float:
    """The `timeout` that a response head announces, in seconds; infinite if there is none.

    Source: draft-thomson-hybi-http-timeout-03, 2; RFC 2068, 19.7.1.1. Node.js and Apache send it.
    """
    found = _TIMEOUT.search(head)
    return float(found[1]) if found is not None else inf
