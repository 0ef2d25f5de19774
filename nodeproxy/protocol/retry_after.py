"""How long a server asks its clients to wait. Source: RFC 9110, 10.2.3."""

import re
from datetime import datetime
from email.utils import parsedate_to_datetime

from nodeproxy.protocol.fields import Fields

_SECONDS = re.compile(rb"[0-9]{1,9}")


def retry_after_s(fields: Fields) -> float | None:
    """Seconds by Retry-After; None where a response has none, or one that is neither a number nor a date.

    A date is compared with the Date of the same response: both are of the server's clock. Without Date it means
    nothing.
    """
    value = fields.get(b"retry-after")
    if value is None:
        return None
    if _SECONDS.fullmatch(value):
        return float(value)
    until, now = _moment(value), _moment(fields.get(b"date"))
    return None if until is None or now is None else max(0.0, (until - now).total_seconds())


def _moment(value: bytes | None) -> datetime | None:
    if value is None:
        return None
    try:
        moment = parsedate_to_datetime(value.decode("latin-1"))
    except (ValueError, OverflowError):  # the last of numbers that no clock has
        return None
    return moment if moment.tzinfo is not None else None  # RFC 9110, 5.6.7: a date is in GMT
