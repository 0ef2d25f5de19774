"""Durations as operators write them: `250ms`, `15s`, `1m30s`."""

import re

LONGEST_S = 3600.0 * 87_600  # ten years: so long is never; numbers beyond a float would be no number
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
    found = sum(float(number) * _UNIT_S[unit] for number, unit in _PART.findall(text))
    if found > LONGEST_S:
        raise ValueError(f"a duration is at most {duration_text(LONGEST_S)}")
    return found


def duration_text(duration_s: float) -> str:
    """`duration_s` as `seconds` reads it, to the nanosecond: 0, 250ms, 15s, 1m30s."""
    for unit in ("ns", "us", "ms"):
        if duration_s < _UNIT_S[unit] * 1000:
            return f"{_plain(duration_s / _UNIT_S[unit])}{unit}" if duration_s else "0"
    minutes, rest_s = divmod(duration_s, 60)
    hours, minutes = divmod(int(minutes), 60)
    parts = ((str(hours), "h"), (str(minutes), "m"), (_plain(rest_s), "s"))
    return "".join(number + unit for number, unit in parts if number != "0")


def _plain(number: float) -> str:
    """Without an exponent, and without zeros at the end."""
    return f"{number:.9f}".rstrip("0").rstrip(".")
