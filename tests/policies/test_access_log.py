"""`accessLog`: which requests of a service have a line, and that no other service pays for it."""

from dataclasses import replace

import pytest

from nodeproxy.exchange.access_log import AccessLog
from nodeproxy.exchange.attempt import Attempt
from nodeproxy.exchange.connection import Ended
from nodeproxy.exchange.decisions import Decisions
from nodeproxy.exchange.logged import Logged
from nodeproxy.policies.access_log import POLICY, AccessLogSettings, state
from nodeproxy.policies.service_log import observed
from nodeproxy.policies.table import PolicyRefused, settings_of
from tests.fakes.exchanges import PolicyWorld, exchange
from tests.fakes.member import Member
from tests.fakes.world import Log


def service_log(chance=0.5, **written):
    """The log of a service with these settings, its lines, and its decisions."""
    lines, settings = [], settings_of({"accessLog": written})["accessLog"]
    world = PolicyWorld()
    tools = world.tools_of(Decisions(world.stats.decisions, "accessLog", settings.mode))
    tools = replace(tools, random=lambda: chance, log_line=lambda *line: lines.append(line))
    return state(settings, None, tools), lines, tools.stats.decisions


def counted(decisions):
    return {outcome: number for (_, outcome, _), number in decisions.items()}


def test_a_request_is_a_line_in_the_format_of_the_policy():
    log, lines, decisions = service_log(format="text")

    log.ended(exchange(), "shop/web:80", 200, "", 0.1)

    ((line, style),) = lines
    assert (style, line["service"], line["status"]) == ("text", "shop/web:80", 200)
    assert counted(decisions) == {"logged": 1}


@pytest.mark.parametrize(
    ("condition", "logged"),
    [
        (">=500", {500, 503, 599}),
        ("> 500", {503, 599}),
        ("<400", {200, 301}),
        ("<=301", {200, 301}),
        ("!=200", {301, 404, 500, 503, 599}),
        ("404", {404}),
        ("5xx", {500, 503, 599}),
    ],
)
def test_a_filter_chooses_by_status(condition, logged):
    log, lines, _ = service_log(filter={"status": condition})

    for status in (200, 301, 404, 500, 503, 599):
        log.ended(exchange(), "shop/web:80", status, "", 0.1)

    assert {line["status"] for line, _ in lines} == logged


def test_one_condition_of_a_filter_is_enough():
    log, lines, decisions = service_log(filter={"status": ">=500", "slowerThan": "1s"})

    for status, elapsed_s in ((200, 0.5), (200, 1.5), (500, 0.5)):
        log.ended(exchange(), "shop/web:80", status, "", elapsed_s)

    assert [(line["status"], line["seconds"]) for line, _ in lines] == [(200, 1.5), (500, 0.5)]
    assert counted(decisions) == {"logged": 2, "filtered": 1}


@pytest.mark.parametrize(("chance", "logged"), [(0.09, 1), (0.1, 0)])
def test_a_share_is_logged_of_what_the_filter_lets_pass(chance, logged):
    log, lines, decisions = service_log(chance, sample=0.1, filter={"status": "200"})

    log.ended(exchange(), "shop/web:80", 200, "", 0.1)
    log.ended(exchange(), "shop/web:80", 404, "", 0.1)

    assert len(lines) == logged
    assert counted(decisions) == ({"logged": 1, "filtered": 1} if logged else {"not-sampled": 1, "filtered": 1})


def test_a_connection_fulfils_a_condition_on_the_status_when_it_fails():
    log, lines, _ = service_log(filter={"status": ">=500"})

    log.connection_ended(exchange(), "shop/db:5432", Ended("tcp", "", 1, 2, 0.1))
    log.connection_ended(exchange(), "shop/db:5432", Ended("tcp", "connect-failed", 0, 0, 0.1))

    assert [line["reason"] for line, _ in lines] == ["connect-failed"]


def test_a_connection_that_fails_fulfils_no_condition_where_only_slow_ones_are_logged():
    log, lines, _ = service_log(filter={"slowerThan": "1s"})

    log.connection_ended(exchange(), "shop/db:5432", Ended("tcp", "connect-failed", 0, 0, 1.0))
    log.connection_ended(exchange(), "shop/db:5432", Ended("tcp", "", 1, 2, 1.1))

    assert [line["seconds"] for line, _ in lines] == [1.1]


def test_nothing_is_written_in_shadow_mode_and_nothing_when_off():
    shadow, of_shadow, decisions = service_log(mode="shadow")
    off, of_off, _ = service_log(format="off")

    shadow.ended(exchange(), "shop/web:80", 200, "", 0.1)
    off.ended(exchange(), "shop/web:80", 200, "", 0.1)

    assert of_shadow == of_off == []
    assert decisions == {("accessLog", "logged", "shadow"): 1}


def test_the_observer_behind_it_learns_of_attempts_and_connections():
    exchanges, attempts, one = [], [], exchange()
    one.observer = Log(exchanges, attempts)
    observed(one, service_log()[0])

    one.observer.attempt_ended(Attempt(one, Member("10.1.0.1:80"), 0.0))
    one.observer.connection_ended(one, "shop/db:5432", Ended("tcp", "", 1, 2, 0.1))

    assert attempts == [("10.1.0.1:80", None)] and len(exchanges) == 1


def test_the_policy_takes_the_place_of_the_setting_and_other_observers_go_on():
    everywhere, ended = [], []
    log, lines, _ = service_log()
    one, other = exchange(), exchange()

    class Recorder:
        def __init__(self, log):
            self._log = log

        def __getattr__(self, name):
            return getattr(self._log, name)

        def exchange_ended(self, exchange, *line):
            ended.append(line[0])
            self._log.exchange_ended(exchange, *line)

    one.observer = other.observer = Recorder(AccessLog(everywhere.append))
    assert observed(one, log) is None
    for each in (one, other):
        each.observer.exchange_ended(each, "shop/web:80", 200, "", 0.1)

    assert isinstance(one.observer, Logged)
    assert (len(lines), len(everywhere), ended) == (1, 1, ["shop/web:80"] * 2)


@pytest.mark.parametrize(
    ("written", "said"),
    [
        ({"filter": {}}, "there is no condition; write status or slowerThan"),
        ({"filter": {"status": "bad"}}, 'expected a status such as "503"'),
        ({"sample": 2}, "accessLog.sample"),
        ({"format": "xml"}, "accessLog.format"),
    ],
)
def test_what_does_not_fit_is_refused(written, said):
    with pytest.raises(PolicyRefused) as error:
        settings_of({"accessLog": written})

    assert said in str(error.value)


def test_it_is_nothing_for_a_service_without_it():
    assert not POLICY.default and AccessLogSettings().format == "json"
