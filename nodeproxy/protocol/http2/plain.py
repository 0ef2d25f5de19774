"""What the compiled twin reads in one pass, in Python: nothing. So `reader.py` reads every frame itself."""

from nodeproxy.protocol.http1.head import HeadLimits
from nodeproxy.protocol.http2.frames import Frame
from nodeproxy.protocol.http2.hpack.table import IndexedFields, Table

__all__ = ["Table", "read_plain"]


def read_plain(
    _table: IndexedFields, _data: bytes, at: int, _requests: bool, _limits: HeadLimits, _frames: list[Frame], /
) -> int:
    """Append the plain frames of `data` from the offset `at` to `frames`; returns the offset of what is left.

    That is the end, or the beginning of a frame that is incomplete or not plain. For a frame that is left, `table` is
    as it was before it. `requests` is whether HEADERS are requests, else they are responses.
    """
    return at
