"""Events with fields: nothing in them can end a line, forge one, or be lost."""

import io
import json
import logging
import sys

import pytest

from discovery.log import JsonLines, TextLines
from nodeproxy.telemetry.logs import JsonFormatter, TextFormatter, set_up

CONTROLS = ["a\nb", "a\r\nb", "\x1b[31m", "\x00", "\u2028", 'quo"te', "back\\slash"]


def record(event="endpoint ejected", error=None, **fields):
    info = (type(error), error, error.__traceback__) if error is not None else None
    made = logging.getLogger("test").makeRecord("test", logging.WARNING, "f", 1, event, (), info, extra=fields)
    made.created, made.msecs = 1_700_000_000.5, 500.0
    return made


def caught():
    try:
        raise ZeroDivisionError("by zero")
    except ZeroDivisionError as error:
        return error


def test_text_is_time_level_event_and_fields():
    line = TextFormatter().format(record(endpoint="10.0.0.1:80", failures=3))

    assert line == '2023-11-14T22:13:20.500Z WARNING endpoint ejected endpoint="10.0.0.1:80" failures=3'


def test_json_is_an_object_with_the_fields_beside_the_event():
    line = JsonFormatter().format(record(endpoint="10.0.0.1:80", failures=3))

    assert json.loads(line) == {
        "time": "2023-11-14T22:13:20.500Z", "level": "warning", "event": "endpoint ejected", "endpoint": "10.0.0.1:80",
        "failures": 3,
    }  # fmt: skip


def test_a_line_begins_as_one_of_the_control_process_in_the_same_stream():
    event = record("started")

    assert json.loads(JsonFormatter().format(event)) == json.loads(JsonLines().format(event))
    assert TextFormatter().format(event) == TextLines().format(event)


@pytest.mark.parametrize("formatter", [TextFormatter(), JsonFormatter()])
@pytest.mark.parametrize("value", CONTROLS)
def test_a_field_cannot_end_its_line(formatter, value):
    line = formatter.format(record(host=value))

    assert len(line.splitlines()) == 1
    assert line.isprintable()
    assert json.dumps(value) in line


@pytest.mark.parametrize("formatter", [TextFormatter(), JsonFormatter()])
def test_a_field_that_json_has_no_word_for_is_told_as_text(formatter):
    assert '"no"' in formatter.format(record(cause=ValueError("no")))


def test_text_has_the_traceback_below_the_line():
    first, *trace = TextFormatter().format(record("unexpected error", caught())).splitlines()

    assert first.endswith("WARNING unexpected error")
    assert trace[0].startswith("Traceback") and trace[-1] == "ZeroDivisionError: by zero"


def test_json_has_the_traceback_inside_the_line():
    line = JsonFormatter().format(record("unexpected error", caught()))

    assert "\n" not in line
    assert json.loads(line)["traceback"].endswith("ZeroDivisionError: by zero")


@pytest.fixture
def _restored():
    """The logging that was before, after."""
    root, quiet = logging.getLogger(), logging.getLogger("httpcore")
    before = (root.handlers[:], root.level, quiet.level)
    for handler in before[0]:
        root.removeHandler(handler)
    yield
    root.handlers[:] = before[0]
    root.setLevel(before[1])
    quiet.setLevel(before[2])


@pytest.mark.usefixtures("_restored")
@pytest.mark.parametrize(("log_format", "begins"), [("json", '{"time"'), ("text", "20")])
def test_a_process_logs_to_stderr_from_info_on(monkeypatch, log_format, begins):
    stderr = io.StringIO()
    monkeypatch.setattr(sys, "stderr", stderr)

    set_up(log_format)
    logging.getLogger("nodeproxy.x").debug("nothing")
    logging.getLogger("nodeproxy.x").info("something %d", 1, extra={"n": 2})
    logging.getLogger("httpcore").info("a connection")

    (line,) = stderr.getvalue().splitlines()
    assert line.startswith(begins) and "something 1" in line
