"""docs/commands.md: every command of the page answers on a real node, with what the page shows."""

import json
import re
import threading
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.fakes.node import Gate, command, policy, server, service, until
from tests.fakes.ports import free_port
from tests.system.test_node_commands import running

PAGE = (Path(__file__).parents[2] / "docs" / "commands.md").read_text()
BLOCKS = re.findall(r"```console\n\$ nodeproxy (.*?)\n(.*?)```", PAGE, re.DOTALL)
ASKED = ("status", "services", "endpoints reviews.shop", "routes reviews.shop", "explain reviews.shop", "top --once")
QUESTIONS = re.findall(r"^\d+\. .*\?$", PAGE, re.MULTILINE)
TABLES = {
    "reviews__shop": "routes:\n"
    "- name: api\n"
    "  match: {path: {prefix: /api}}\n"
    "  split: [{service: reviews, weight: 9}, {service: reviews-v2, weight: 1}]\n"
    "retries: {attempts: 0}\n"
    "healthCheck: {path: /healthz, interval: 100ms, timeout: 1m, unhealthyThreshold: 1}\n",
    "_default": "timeouts: {request: 10s}\n",
}


@contextmanager
def scene(folder):
    """The node of the page: reviews.shop with an endpoint that is unhealthy, its new version that fails, requests."""
    sick = Gate()
    sick.sick = True
    with server("v1") as one, server("v1") as two, server("v1", sick) as unhealthy:
        (folder / "reviews.yaml").write_text(service("reviews", one, two, unhealthy))
        (folder / "v2.yaml").write_text(service("reviews-v2", free_port(), cluster_ip="10.96.0.10"))
        (folder / "policy.yaml").write_text(policy(**TABLES))
        with running(folder) as (node, ask):
            stop, answered = threading.Event(), []
            load = threading.Thread(target=_requests, args=(node, stop, answered))
            load.start()
            try:
                until(lambda: '"unhealthy":true' in ask("endpoints", "reviews.shop", "--json").stdout, "the probes")
                until(lambda: answered, "the first requests")
                yield ask
                assert load.is_alive(), "the load has failed"
            finally:
                stop.set()
                load.join()


def _requests(node, stop, answered):
    while not stop.wait(0.005):
        for path in ("/", "/api/stars"):
            answered.append(node.get("reviews.shop.mesh", path))


@pytest.fixture(scope="module")
def answers(tmp_path_factory):
    """What each command of the page answers."""
    folder = tmp_path_factory.mktemp("page") / "mesh"
    folder.mkdir()
    with scene(folder) as ask:
        until(lambda: "the table was confirmed" in ask("status").stdout, "the report of the worker")
        every = (*(words for words, _ in BLOCKS), *(f"{words} --json" for words in ASKED))
        return {words: _answer(ask, folder, words) for words in every}


def _answer(ask, folder, words):
    given = words.replace("DIR", str(folder)).split()
    return command(*given) if given[0] in ("check", "policies") else ask(*given)


def test_ten_questions_have_one_command_each():
    assert len(QUESTIONS) == len(BLOCKS) == 10


@pytest.mark.parametrize(("words", "shown"), BLOCKS, ids=[words for words, _ in BLOCKS])
def test_a_command_of_the_page_answers_as_it_is_shown(answers, words, shown):
    done = answers[words]

    assert done.returncode == 0, done.stderr
    actual = " ".join(done.stdout.split())
    for line in shown.splitlines():
        if marked := claims(line):
            assert all(part in actual for part in marked), (line, done.stdout)


def claims(line):
    """What of a line of an example has to be in the real answer: all words without a digit, together where adjacent."""
    parts = re.split(r"\s*\S*\d\S*\s*|─+|…", line)
    return [" ".join(part.split()) for part in parts if part.split()]


def test_each_command_that_asks_the_node_answers_programs_too(answers):
    assert {words for words, done in answers.items() if words.endswith("--json") and json.loads(done.stdout)} == {
        f"{words} --json" for words in ASKED
    }
