"""Outlier detection: ejects endpoints whose responses are errors, for a while, and never too many of them.

Decides when an attempt is reported; intervals end at the first report after their time. Without traffic nothing runs.
Source: Envoy, outlier_detection.proto and its detector; Istio, DestinationRule.outlierDetection.
"""

from collections.abc import Callable, Sequence

from nodeproxy.balance.judge import FAILURES, MALFORMED, Asked, Counter, Judged, Outcome, Try
from nodeproxy.balance.outlier_record import OutlierRecord, OutlierRules, outliers
from nodeproxy.errors import DeadlinePassed
from nodeproxy.protocol.message import Response

GATEWAY_ERRORS = frozenset({502, 503, 504})
NOT_EJECTED = "not-ejected"


class OutlierDetector:
    """The judge of one service port; what it remembers of an endpoint is `Health.outlier`.

    In shadow mode it decides and counts alike, and ejects nothing.
    """

    def __init__(self, rules: OutlierRules, now: Callable[[], float], decisions: Counter) -> None:
        self.rules = rules
        self._now = now
        self._decisions = decisions
        self._members: Sequence[Judged] = ()
        self._changed: Callable[[], None] = _nothing
        self._interval_ends = now() + rules.interval_s

    def installed(self, members: Sequence[Judged], changed: Callable[[], None]) -> None:
        """See Judge. Ejections go on, unless the policy is in shadow mode by now."""
        self._members, self._changed = members, changed
        for member in members:
            record = _record(member)
            member.health.outlier_until = 0.0 if self._decisions.shadow else record.ejected_until

    def ejected(self) -> int:
        """How many endpoints are ejected now, or would be in force."""
        now = self._now()
        return sum(_record(member).ejected_until > now for member in self._members)

    def responded(self, attempt: Try, response: Response) -> None:
        """See Judge. Errors count at once, successes when they are complete: a body may break off."""
        member, status, rules = attempt.endpoint, attempt.status, self.rules
        record = _record(member)
        record.local_failures = 0
        if status in rules.error_codes:
            self._failed(attempt, record, status in GATEWAY_ERRORS)
        elif status in GATEWAY_ERRORS:
            self._gateway_error(attempt, record)
        elif _is_connection(attempt):
            _succeeded(record, status)  # it is complete by being there, and may last for days

    def ended(self, attempt: Try, outcome: Outcome) -> None:
        """See Judge."""
        now = self._now()
        if now >= self._interval_ends:
            self._end_interval(now)
        member, status = attempt.endpoint, attempt.status
        record = _record(member)
        if status in self.rules.error_codes:
            return  # counted when it came
        if outcome in self.rules.error_codes:  # of the trailers of a call
            self._failed(attempt, record, outcome in GATEWAY_ERRORS)
        elif outcome.__class__ is int:
            if not _is_connection(attempt):
                _succeeded(record, status)
        elif status and outcome == DeadlinePassed.reason:
            return  # a slow client may be why the body took long
        elif outcome in FAILURES:
            if self.rules.split and outcome not in MALFORMED:
                self._local_failure(attempt, record)
            else:
                self._failed(attempt, record, gateway=True)

    def _failed(self, attempt: Try, record: OutlierRecord, gateway: bool) -> None:
        record.failures += 1
        record.errors += 1
        if gateway:
            self._gateway_error(attempt, record)
        else:
            record.gateway_errors = 0
        if self._check(attempt, record, record.errors, self.rules.consecutive_errors, "consecutive-5xx"):
            record.errors = 0

    def _gateway_error(self, attempt: Try, record: OutlierRecord) -> None:
        record.gateway_errors += 1
        most = self.rules.consecutive_gateway
        if self._check(attempt, record, record.gateway_errors, most, "consecutive-gateway-errors"):
            record.gateway_errors = 0

    def _local_failure(self, attempt: Try, record: OutlierRecord) -> None:
        record.local_failures += 1
        if self._check(attempt, record, record.local_failures, self.rules.consecutive_local, "local-origin"):
            record.local_failures = 0

    def _check(self, attempt: Try, record: OutlierRecord, count: int, most: int, outcome: str) -> bool:
        """Eject when `count` has reached `most`, if that is on; returns whether it has."""
        if not most or count < most:
            return False
        self._eject(attempt.endpoint, record, outcome, attempt.exchange)
        return True

    def _end_interval(self, now: float) -> None:
        self._interval_ends = now + self.rules.interval_s
        records = [_record(member) for member in self._members]
        for record in records:
            record.close_interval()
        for index, outcome in outliers(records, self.rules):
            self._eject(self._members[index], records[index], outcome)

    def _eject(self, member: Judged, record: OutlierRecord, outcome: str, exchange: Asked | None = None) -> None:
        now = self._now()
        if now < record.ejected_until:
            return  # responses to requests sent before
        if not self._may_eject(self.ejected()):
            self._decisions.count(NOT_EJECTED, exchange)
            return
        record.ejection_s(now, self.rules)
        record.why = outcome
        self._decisions.count(outcome, exchange)
        if not self._decisions.shadow:
            member.health.ejections += 1
            member.health.outlier_until = record.ejected_until
            self._changed()

    def _may_eject(self, ejected: int) -> bool:
        members = len(self._members)
        if (ejected + 1) * 100 <= self.rules.most_percent * members:
            return True
        return self.rules.always_one and not ejected and members > 1


def _record(member: Judged) -> OutlierRecord:
    record = member.health.outlier
    if record is None:  # of an endpoint that has not been installed, or has left
        record = member.health.outlier = OutlierRecord()
    return record


def _succeeded(record: OutlierRecord, status: int) -> None:
    record.successes += 1
    record.errors = 0
    if status not in GATEWAY_ERRORS:
        record.gateway_errors = 0


def _is_connection(attempt: Try) -> bool:
    """Whether it is a TCP connection that carries no HTTP."""
    return not attempt.exchange.request.version


def _nothing() -> None:
    """What a detector without endpoints calls."""
