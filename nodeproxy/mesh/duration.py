"""Durations and amounts as operators write them: `250ms`, `15s`, `1m30s`."""

import re

_UNIT_S = {"ns": 1e-9, "us": 1e-6, "µs": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0}
_PART = re.compile(r"(\d+(?:\.\d+)?)(ns|us|µs|ms|s|m|h)", re.ASCII)
_WHOLE = re.compile(rf"(?:{_PART.pattern})+", re.ASCII)


def seconds(text: object) -> float:
    """The seconds of a Go-style duration; only the number 0 needs no unit.

    Raises:
        ValueError: `text` is not a duration; the message shows the format.

    Source: Go, time.ParseDuration, without signs and bare fractions; a subset of it is Gateway API GEP-2257.
    """
    if text == 0 and not isinstance(text, bool):
        return 0.0
    if isinstance(text, str) and text == "0":
        return 0.0
    if not isinstance(text, str) or _WHOLE.fullmatch(text) is None:
        raise ValueError("not a duration; write one as 250ms, 15s or 1m30s")
    return sum(float(number) * _UNIT_S[unit] for number, unit in _PART.findall(text))
