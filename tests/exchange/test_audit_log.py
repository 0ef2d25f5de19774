"""The audit log: a line for each refusal by a policy, and for nothing else; bounded."""

import pytest

from nodeproxy.exchange.access_log import AccessLog
from nodeproxy.exchange.attempt import Attempt
from nodeproxy.exchange.audit_log import DENIALS, LINES_MOST, AuditLog
from nodeproxy.exchange.connection import Ended
from nodeproxy.policies.chain import CHAIN
from tests.fakes.exchanges import exchange
from tests.fakes.member import Member
from tests.fakes.world import Log


def test_a_refusal_is_a_line_that_names_the_policy_and_the_caller():
    lines, one = [], exchange()

    AuditLog(lines.append, lambda: 0.0).exchange_ended(one, "shop/web:80", 429, "rate-limited", 0.001)

    (line,) = lines
    assert (line["event"], line["policy"], line["reason"]) == ("denied", "rateLimit", "rate-limited")
    assert (line["client"], line["source"], line["service"]) == ("10.0.0.9", "/unknown", "shop/web:80")


@pytest.mark.parametrize("reason", ["", "connect-failed", "timeout", "unknown-service"])
def test_what_no_policy_has_refused_is_no_line(reason):
    lines = []

    AuditLog(lines.append, lambda: 0.0).exchange_ended(exchange(), "shop/web:80", 503, reason, 0.001)

    assert lines == []


def test_a_refused_connection_is_a_line_too():
    lines = []
    ended = Ended("tcp", "connection-pool-full", 0, 0, 0.1)

    AuditLog(lines.append, lambda: 0.0).connection_ended(exchange(), "shop/db:5432", ended)

    assert (lines[0]["policy"], lines[0]["protocol"]) == ("connectionPool", "tcp")


def test_a_flood_of_refusals_is_bounded_and_the_rest_counted():
    lines, now = [], [5.0]
    log = AuditLog(lines.append, lambda: now[0])
    for _ in range(LINES_MOST + 30):
        log.exchange_ended(exchange(), "shop/web:80", 429, "rate-limited", 0.001)

    now[0] = 6.0
    log.exchange_ended(exchange(), "shop/web:80", 429, "rate-limited", 0.001)

    assert len(lines) == LINES_MOST + 1
    assert lines[-1]["left_out"] == 30 and "left_out" not in lines[0]


def test_the_access_log_behind_it_goes_on():
    access, audit = [], []

    log = AuditLog(audit.append, lambda: 0.0, AccessLog(access.append))
    log.exchange_ended(exchange(), "shop/web:80", 429, "rate-limited", 0.001)
    log.connection_ended(exchange(), "shop/db:5432", Ended("tcp", "", 0, 0, 0.1))

    assert (len(access), len(audit)) == (2, 1)


def test_the_observer_behind_it_learns_of_attempts():
    ended = []
    behind = Log([], ended)
    attempt = Attempt(exchange(), Member("10.1.0.1:80"), 0.0)

    AuditLog([].append, lambda: 0.0, behind).attempt_ended(attempt)
    AuditLog([].append, lambda: 0.0).attempt_ended(attempt)

    assert ended == [("10.1.0.1:80", None)]


def test_every_policy_that_is_named_exists():
    assert set(DENIALS.values()) <= {policy.name for policy in CHAIN}
