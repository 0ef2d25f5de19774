"""Large responses as bytes, for the same query again.

dnspython takes 10 us for each record that it writes, so the address of a host name with 200 pods would cost a worker as
much as a hundred requests. Such a response depends on its query and on the routes of its service alone.
"""

from collections.abc import Mapping

from nodeproxy.table.table import Route, Table

LARGE = 8  # records of an answer that is kept; with fewer its cost is that of any query
KEPT_MOST = 32  # of up to 64 KiB
_ID_BYTES = 2
_ANSWERS = slice(6, 8)  # of the header: how many records the answer has


class KeptResponses:
    """The large responses sent last. Each is valid as long as its service has the same routes."""

    def __init__(self) -> None:
        self._kept: dict[tuple[bytes, int | None], tuple[str, Mapping[str, Route] | None, bytes]] = {}

    def find(self, received: bytes, limit_bytes: int | None, table: Table) -> bytes | None:
        """The response to the query `received`, None if it has to be made. It has the query's own id."""
        kept = self._kept.get((received[_ID_BYTES:], limit_bytes))
        if kept is None:
            return None
        key, routes, response = kept
        if table.routes.get(key) is not routes:
            del self._kept[received[_ID_BYTES:], limit_bytes]
            return None
        return received[:_ID_BYTES] + response

    def keep(self, received: bytes, limit_bytes: int | None, table: Table, key: str, response: bytes) -> None:
        """Keep `response`, which was made of the routes of the service with this key in `table`, if it is large."""
        if int.from_bytes(response[_ANSWERS], "big") < LARGE:
            return
        if len(self._kept) >= KEPT_MOST:
            del self._kept[next(iter(self._kept))]
        self._kept[received[_ID_BYTES:], limit_bytes] = key, table.routes.get(key), response[_ID_BYTES:]
