"""Events on policy maps: their texts, and how failures to write them are handled."""

import json
import logging

import anyio
import anyio.lowlevel
import pytest

from discovery.kubernetes.objects import Ref
from discovery.log import logger
from discovery.policies.layers import Verdict
from discovery.problem import Problem
from discovery.sources.cluster.errors import Busy, Conflict, Forbidden, NotFound, Unauthorized, Unreachable, of_status
from discovery.sources.cluster.events import (
    MESSAGE_LIMIT_BYTES,
    PAUSE_S,
    QUEUE_MOST,
    RETRY_S,
    SPREAD_S,
    TRIES,
    Events,
    event_of,
    message_of,
    name_of,
    notice_of,
)
from discovery.sources.cluster.watch import World

pytestmark = pytest.mark.anyio

MAP = Ref("ConfigMap", "shop", "policies")
WRONG = Problem("retries.attempts: not a number, got 'no'", subject=str(MAP), path=("data", "reviews"))


def verdict(*problems, ref=MAP, version=("u-1", "7"), tables=1):
    return Verdict(ref, version, tables, problems)


class ScriptedApi:
    """Takes events, or answers with an error; reports when unused answers are left."""

    def __init__(self, *answers):
        self.answers = list(answers)
        self.created = []
        self.tokens_read = 0

    async def create(self, path, value):
        await anyio.lowlevel.checkpoint()
        self.created.append((path, value["metadata"]["name"], value["reason"]))
        answer = self.answers.pop(0) if self.answers else None
        if answer is not None:
            raise answer

    async def reload_token(self):
        self.tokens_read += 1


class Writer:
    """Runs Events until they have nothing to do; remembers how long they slept."""

    def __init__(self, api):
        self.slept = []
        self.events = Events(api, World(self._sleep, lambda: 0.0, lambda: 0.5), lambda: 0.0)

    async def _sleep(self, seconds):
        self.slept.append(seconds)
        await anyio.lowlevel.checkpoint()

    async def write(self, *verdicts):
        self.events.note(verdicts)
        async with anyio.create_task_group() as group:
            group.start_soon(self.events.run)
            await anyio.wait_all_tasks_blocked()
            group.cancel_scope.cancel()


@pytest.fixture
def logged():
    """The fields of the log lines."""
    lines = []

    class Keep(logging.Handler):
        def emit(self, record):
            lines.append(json.dumps(record.__dict__["fields"]))

    logger.handlers, logger.level = [Keep()], logging.INFO
    return lines


def test_an_event_of_an_accepted_map_is_one_that_kubectl_finds_by_the_map():
    event = event_of(notice_of(verdict(tables=2)), 1_700_000_000.5)

    assert event["involvedObject"] == {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "namespace": "shop",
        "name": "policies",
        "uid": "u-1",
        "resourceVersion": "7",
    }
    assert (event["type"], event["reason"], event["message"]) == ("Normal", "PolicyAccepted", "in force: 2 tables")
    assert event["firstTimestamp"] == event["lastTimestamp"] == "2023-11-14T22:13:20Z"


def test_an_event_of_annotations_is_one_that_kubectl_finds_by_the_service():
    reviews = Ref("Service", "shop", "reviews")
    wrong = Problem("expected http", subject=str(reviews), path=("metadata", "annotations", "mesh.traefik.io/scheme"))

    event = event_of(notice_of(verdict(wrong, ref=reviews, version=("u-7", ""))), 0.0)

    assert (event["involvedObject"]["kind"], event["involvedObject"]["uid"]) == ("Service", "u-7")
    assert 'metadata.annotations["mesh.traefik.io/scheme"]: expected http' in event["message"]


def test_an_event_of_a_rejected_map_names_every_key_and_what_is_wrong_there():
    event = event_of(notice_of(verdict(WRONG, Problem("is odd", path=("data", "a.b")))), 0.0)

    assert (event["type"], event["reason"]) == ("Warning", "PolicyRejected")
    assert event["message"] == (
        "not all of it is in force, what is refused leaves its last good version there; data.reviews: "
        "retries.attempts: not a number, got 'no'; data[\"a.b\"]: is odd"
    )


def test_a_message_is_bounded_however_much_is_wrong():
    text = message_of(verdict(*[Problem("ü" * 400, path=("data", str(number))) for number in range(50)]))

    assert len(text.encode()) <= MESSAGE_LIMIT_BYTES
    assert text.endswith("…")


def test_every_node_gives_an_event_the_same_name_and_another_version_or_verdict_has_another():
    names = [
        name_of(notice_of(verdict())),
        name_of(notice_of(verdict(version=("u-1", "8")))),
        name_of(notice_of(verdict(version=("u-2", "7")))),
        name_of(notice_of(verdict(WRONG))),
        name_of(notice_of(verdict(Problem("is odd")))),
    ]

    assert len(set(names)) == len(names)
    assert names[0] == name_of(notice_of(verdict()))
    assert all(name.startswith("policies.") for name in names)


def test_the_name_of_an_event_is_a_name_however_long_that_of_its_map():
    name = name_of(notice_of(verdict(ref=Ref("ConfigMap", "shop", "a" * 199 + "." + "b" * 53))))

    assert name.startswith("a" * 199 + ".")
    assert ".." not in name
    assert len(name) <= 253


async def test_a_verdict_is_written_once_after_a_while_of_chance():
    writer = Writer(api := ScriptedApi())

    await writer.write(verdict())
    await writer.write(verdict())

    assert api.created == [("/api/v1/namespaces/shop/events", name_of(notice_of(verdict())), "PolicyAccepted")]
    assert writer.slept == [SPREAD_S / 2, PAUSE_S]


async def test_only_the_newest_verdict_on_a_map_is_written():
    writer = Writer(api := ScriptedApi())

    writer.events.note([verdict()])
    await writer.write(verdict(WRONG, version=("u-1", "8")))

    assert [reason for _, _, reason in api.created] == ["PolicyRejected"]


async def test_more_maps_than_the_queue_holds_lose_the_oldest():
    writer = Writer(api := ScriptedApi())
    refs = [Ref("ConfigMap", "shop", f"m{number}") for number in range(QUEUE_MOST + 1)]

    await writer.write(*(verdict(ref=ref) for ref in refs))

    assert [name.split(".")[0] for _, name, _ in api.created] == [ref.name for ref in refs[1:]]


@pytest.mark.parametrize("answer", [Conflict("is there"), NotFound("no such namespace")])
async def test_an_event_that_another_node_has_made_or_whose_namespace_is_gone_is_not_tried_again(logged, answer):
    writer = Writer(api := ScriptedApi(answer))

    await writer.write(verdict())

    assert (len(api.created), logged) == (1, [])


async def test_a_missing_permission_is_named_once_until_an_event_is_written(logged):
    writer = Writer(api := ScriptedApi(Forbidden("no"), Forbidden("no"), None, Forbidden("no")))

    for version in "1234":
        await writer.write(verdict(version=("u-1", version)))

    assert len(api.created) == 4
    assert logged == ['{"reason": "no; grant nodeproxy\'s service account create of events in every namespace"}'] * 2


async def test_what_passes_is_tried_again_ever_more_slowly_and_the_token_read_anew():
    writer = Writer(api := ScriptedApi(Unreachable("reset"), Unauthorized("expired"), Busy("429: slow", 1.0)))

    await writer.write(verdict())

    assert (len(api.created), api.tokens_read) == (4, 1)
    assert writer.slept[1:4] == [RETRY_S, RETRY_S * 2, RETRY_S * 4]


async def test_what_does_not_pass_is_given_up_and_logged(logged):
    writer = Writer(api := ScriptedApi(*[Busy("422: no such thing", 0.0)] * TRIES))

    await writer.write(verdict())

    assert len(api.created) == TRIES
    assert "422: no such thing" in logged[0]


def test_the_statuses_of_a_create_have_their_meanings():
    assert type(of_status(409, "")) is Conflict
    assert type(of_status(404, "")) is NotFound
