"""The table of indexed fields of a connection's decoder. Source: RFC 7541, 2.3, 4.

`scan.py` replaces `Table` by its compiled twin if that was built.
"""

from collections import deque
from typing import Protocol

from nodeproxy.protocol.http2.hpack.static_table import ENTRIES, Pair

TABLE_BYTES = 4096  # the initial SETTINGS_HEADER_TABLE_SIZE, which is never changed
OVERHEAD_BYTES = 32  # of an entry (RFC 7541, 4.1), and of a field in SETTINGS_MAX_HEADER_LIST_SIZE (RFC 9113, 6.5.2)


class IndexedFields(Protocol):
    """What the decoder uses of a table: of this module's, or of its compiled twin."""

    def get(self, index: int) -> Pair:
        """See `Table.get`."""
        ...

    def add(self, name: bytes, value: bytes) -> None:
        """See `Table.add`."""
        ...

    def resize(self, most: int) -> None:
        """See `Table.resize`."""
        ...


class Table:
    """The static entries, and the dynamic ones from the newest to the oldest."""

    __slots__ = ("_entries", "most", "size")

    def __init__(self) -> None:
        self._entries: deque[Pair] = deque()
        self.most = TABLE_BYTES
        """Limit of `size`, in bytes."""
        self.size = 0
        """Of the dynamic entries: their names and values, and 32 bytes for each."""

    def __len__(self) -> int:
        """The number of dynamic entries."""
        return len(self._entries)

    def get(self, index: int) -> Pair:
        """Name and value at an index as received: 1 to 61 are static, the newest dynamic entry has 62.

        Raises:
            IndexError: there is no such entry.
        """
        if index <= len(ENTRIES):
            if index < 1:
                raise IndexError(index)
            return ENTRIES[index - 1]
        return self._entries[index - len(ENTRIES) - 1]

    def add(self, name: bytes, value: bytes) -> None:
        """Insert an entry; the oldest are evicted until it fits. One that is too large empties the table."""
        size = len(name) + len(value) + OVERHEAD_BYTES
        self._evict(self.most - size)
        if size <= self.most:
            self._entries.appendleft((name, value))
            self.size += size

    def resize(self, most: int) -> None:
        """Change `most`, which is at most TABLE_BYTES; the oldest entries are evicted until the others fit."""
        self.most = most
        self._evict(most)

    def _evict(self, room: int) -> None:
        while self._entries and self.size > room:
            name, value = self._entries.pop()
            self.size -= len(name) + len(value) + OVERHEAD_BYTES
