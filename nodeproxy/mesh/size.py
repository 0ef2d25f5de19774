"""Sizes as operators write them: `64Ki`, `1Mi`, or a number of bytes."""

import re

_UNIT_BYTES = {"": 1, "k": 10**3, "M": 10**6, "G": 10**9, "Ki": 2**10, "Mi": 2**20, "Gi": 2**30}
_QUANTITY = re.compile(r"(\d{1,15})(k|M|G|Ki|Mi|Gi|)", re.ASCII)


def size_bytes(text: object) -> int:
    """The bytes of a size.

    Raises:
        ValueError: `text` is not a size; the message shows the format.

    Source: Kubernetes, resource.Quantity, without fractions, exponents and signs.
    """
    if isinstance(text, int) and not isinstance(text, bool) and text >= 0:
        return text
    match = _QUANTITY.fullmatch(text) if isinstance(text, str) else None
    if match is None:
        raise ValueError("not a size; write one as 65536, 64Ki or 1Mi")
    return int(match[1]) * _UNIT_BYTES[match[2]]


def size_text(size: int) -> str:
    """`size` bytes as `size_bytes` reads it, in the largest binary unit without a fraction: 65537, 64Ki, 1Mi."""
    for unit in ("Gi", "Mi", "Ki"):
        if size and size % _UNIT_BYTES[unit] == 0:
            return f"{size // _UNIT_BYTES[unit]}{unit}"
    return str(size)
