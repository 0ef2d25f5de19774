"""Shows the lines of a tap; see `mesh.tap_view`. Pure."""

from collections.abc import Iterator
from datetime import datetime

import msgspec

from nodeproxy.mesh.duration import duration_text
from nodeproxy.mesh.tap_view import TapBegan, TapEnded, TapLine, TapMissed, TappedAttempt, TappedRequest
from nodeproxy.mesh.taps import RATE_MOST

_decoder: msgspec.json.Decoder[TapLine] = msgspec.json.Decoder(TapLine)


class TapShown:
    """The texts for each line of a tap, until `count` requests have been shown."""

    def __init__(self, as_json: bool = False, count: int | None = None) -> None:
        self._as_json = as_json
        self._left = count
        self.over = False
        """Whether nothing more is to be shown."""

    def texts(self, line: bytes) -> Iterator[str]:
        """What to print for one line of the control process; as JSON, the line itself."""
        each = _decoder.decode(line)
        if self._as_json:
            yield line.decode().rstrip("\n")
        elif isinstance(each, TappedRequest):
            yield from request_texts(each)
        else:
            yield _told(each)
        if isinstance(each, TapEnded):
            self.over = True
        if isinstance(each, TappedRequest) and self._left is not None:
            self._left -= 1
            self.over = self.over or self._left <= 0


def _told(line: TapBegan | TapMissed | TapEnded) -> str:
    if isinstance(line, TapBegan):
        workers = f"{line.workers} worker{'s' * (line.workers != 1)}"
        return f"tapping {line.service} in {workers}; ends after {duration_text(line.ends_after_s)}"
    if isinstance(line, TapMissed):
        why = f"more than {RATE_MOST} a second of a worker, or this terminal is slow"
        return f"-- {line.left_out} requests left out so far: {why}"
    return f"-- {line.why}" + (f"; {line.left_out} requests were left out" if line.left_out else "")


def request_texts(request: TappedRequest) -> Iterator[str]:
    """One request for a reader: a line, then one for each attempt and decision, in the order of time."""
    at = datetime.fromtimestamp(request.time).strftime("%H:%M:%S.%f")[:-3]
    answer = f"{request.status or 'no response'}" + (f" ({request.reason})" if request.reason else "")
    if request.grpc_status is not None:
        answer += f" grpc-status {request.grpc_status}"
    rule = f", rule {request.rule}" if request.rule else ""
    words = (
        f"{at} {request.method} {request.path} from {request.source.lstrip('/')} ({request.client})"
        f" to {request.service_port}{rule}: {answer} in {ms(request.seconds)}"
    )
    yield printable(words)
    happened = [(each.began_s, f"  {ms(each.began_s):>9}  {attempt_text(each)}") for each in request.attempts]
    for each in request.decisions:
        shadow = " (shadow: without effect)" if each.mode == "shadow" else ""
        happened.append((each.at_s, f"  {ms(each.at_s):>9}  {each.policy}: {each.outcome}{shadow}"))
    yield from (printable(text) for _, text in sorted(happened, key=lambda event: event[0]))
    if request.not_retried:
        yield printable(f"             not sent again: {request.not_retried}")
    if request.left_out:
        yield f"             {request.left_out} more attempts or decisions are not shown"
    if request.trace_id:
        yield printable(f"             trace {request.trace_id}")


def attempt_text(attempt: TappedAttempt) -> str:
    """One attempt: where it went, when its first byte came and when it ended, and how."""
    first = "no byte came" if attempt.first_byte_s is None else f"first byte after {ms(attempt.first_byte_s)}"
    kind = "hedge" if attempt.hedge else "attempt"
    return f"{kind} at {attempt.endpoint}: {attempt.outcome}, {first}, ended after {ms(attempt.ended_s)}"


def ms(duration_s: float) -> str:
    """A duration in milliseconds."""
    return f"{duration_s * 1000:.1f} ms"


def printable(text: str) -> str:
    """`text` without what would move the cursor of a terminal: a client's path or host is in it."""
    return "".join(each if each.isprintable() else ascii(each)[1:-1] for each in text)
