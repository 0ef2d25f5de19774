"""Who calls, for policies that tell callers apart: from the socket's address and the table, never from a field."""

from nodeproxy.exchange.exchange import Exchange
from nodeproxy.mesh.callers import UNKNOWN


def caller_of(exchange: Exchange) -> tuple[str, str]:
    """Namespace and workload of the calling pod; "" and its address for a client that is no pod of this node.

    Processes of the node itself are one caller.
    """
    labels = exchange.caller.labels
    return labels if labels != UNKNOWN.labels else ("", exchange.client)
