import io
import json
import logging

import pytest

from discovery.log import JsonLines, ProblemLog, TextLines, configure, log_event, logger
from discovery.problem import Origin, Problem

PROBLEM = Problem("expected int, got 'x'", Origin("a.yaml", 2), "Service shop/reviews", ("spec", "ports", 0), 7)
TEXT = "a.yaml: document 2 (Service shop/reviews): spec.ports[0]: expected int, got 'x' (line 7)"


@pytest.fixture
def lines():
    """Log lines as they are written, for a formatter."""
    text = io.StringIO()
    handler = logging.StreamHandler(text)
    logger.handlers, logger.level = [handler], logging.INFO

    def read(formatter, act):
        handler.setFormatter(formatter)
        act()
        return text.getvalue().splitlines()

    return read


def test_a_problem_is_logged_once_while_it_lasts_and_again_when_it_is_solved(lines):
    log = ProblemLog()

    def act():
        for problems in ([PROBLEM], [PROBLEM], [PROBLEM, PROBLEM], []):
            log.show(problems)

    logged = [line.partition(" ")[2] for line in lines(TextLines(), act)]
    assert logged == [f"ERROR   problem {TEXT}", f"INFO    solved {TEXT}"]


def test_a_json_line_has_the_fields_of_a_problem(lines):
    (line,) = lines(JsonLines(), lambda: ProblemLog().show([PROBLEM]))

    logged = json.loads(line)
    assert logged.pop("time").endswith("Z")
    assert logged == {
        "level": "error",
        "event": "problem",
        "problem": TEXT,
        "file": "a.yaml",
        "document": 2,
        "object": "Service shop/reviews",
        "line": 7,
    }


def test_an_event_has_its_fields_and_none_that_say_nothing(lines):
    (line,) = lines(TextLines(), lambda: log_event("services in force", changed=0, removed=2, reason=None, file=""))

    assert line.endswith(" INFO    services in force changed=0 removed=2")


@pytest.mark.parametrize(("log_format", "formatter"), [("text", TextLines), ("json", JsonLines)])
def test_the_format_is_the_one_asked_for(lines, log_format, formatter):
    configure(log_format)

    assert isinstance(logger.handlers[0].formatter, formatter)


def test_a_problem_of_an_api_server_names_the_object_alone():
    assert (
        str(Problem("is odd", subject="Service shop/reviews", path=("spec",))) == "Service shop/reviews: spec: is odd"
    )
