"""httpcore for probes, without what speaks HTTP/2, h2 and hpack, until a probe does: 1.4 MiB of each node.

httpcore does without h2 where it is not installed, and looks for it again where it opens an HTTP/2 connection.
"""

import sys

if "h2" in sys.modules:
    import httpcore
else:
    sys.modules["h2"] = None  # type: ignore[assignment]  # not installed, as the import system has it
    try:
        import httpcore
    finally:
        del sys.modules["h2"]

__all__ = ["httpcore"]
