"""List, watch and list again, against an API server scripted by the test."""

import json
from contextlib import asynccontextmanager
from dataclasses import replace

import anyio
import pytest

from discovery.kubernetes.changes import DeleteObject, PutObject
from discovery.kubernetes.objects import Ref
from discovery.kubernetes.services import Service
from discovery.sources.cluster.errors import Busy, Forbidden, Gone, Unauthorized, Unreachable, Unreadable
from discovery.sources.cluster.watch import BACKOFF_MAX_S, BACKOFF_S, STEADY_S, Resource, Watch, World
from tests.discovery.kube import service

pytestmark = pytest.mark.anyio

SERVICES = Resource("Service", "/api/v1/services", Service, {"fieldSelector": "a=b"})
A, B = service("shop/a"), service("shop/b")


def page(version, *items, more=""):
    return json.dumps({"metadata": {"resourceVersion": version, "continue": more}, "items": items}).encode()


def event(kind, version, value):
    return json.dumps(
        {"type": kind, "object": {**value, "metadata": {**value.get("metadata", {}), "resourceVersion": version}}}
    ).encode()


def bookmark(version):
    return event("BOOKMARK", version, {"kind": "Service"})


def error(code):
    return json.dumps({"type": "ERROR", "object": {"kind": "Status", "code": code, "message": "words"}}).encode()


class ScriptedApi:
    """Returns its answers in order: bytes to a list, a list of lines to a watch; an error is raised.

    The last watch does not end.
    """

    def __init__(self, *answers):
        self.answers = list(answers)
        self.asked = []
        self.tokens_read = 0
        self.over = anyio.Event()

    async def read(self, _path, query):
        return await self._next(query)

    @asynccontextmanager
    async def lines(self, _path, query, _silence_s):
        lines = await self._next(query)

        async def iterate():
            for line in lines:
                if isinstance(line, Exception):
                    raise line
                yield line
            if not self.answers:
                await self._next(query)

        yield iterate()

    async def reload_token(self):
        self.tokens_read += 1

    async def _next(self, query):
        if not self.answers:
            self.over.set()
            await anyio.sleep_forever()
        self.asked.append(dict(query))
        answer = self.answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer


class Follower:
    """Runs a watch over a script; records the reports and the pauses."""

    def __init__(self):
        self.reported, self.slept, self.clock = [], [], 0.0

    def changed(self, changes):
        self.reported += changes

    def listed(self):
        pass

    def synced(self):
        self.reported.append("in sync")

    def failed(self, error):
        self.reported.append(type(error))

    async def sleep(self, seconds):
        self.slept.append(seconds)
        self.clock += seconds
        await anyio.lowlevel.checkpoint()

    async def follow(self, api, resource=SERVICES):
        world = World(self.sleep, lambda: self.clock, lambda: 0.5)
        async with anyio.create_task_group() as group:
            group.start_soon(Watch(resource, api, self, world).run)
            with anyio.fail_after(60):
                await api.over.wait()
            group.cancel_scope.cancel()

    @property
    def summary(self):
        names = {PutObject: "+", DeleteObject: "-"}
        return [
            names[type(each)] + each.ref.name if isinstance(each, PutObject | DeleteObject) else each
            for each in self.reported
        ]


async def followed(*answers):
    api, follower = ScriptedApi(*answers), Follower()
    await follower.follow(api)
    return api, follower


async def test_a_list_comes_in_pages_and_the_watch_goes_on_from_it():
    api, follower = await followed(
        page("10", A, more="next"), page("10", B), [event("MODIFIED", "11", service("shop/a", type="ClusterIP"))]
    )

    assert follower.summary == ["+a", "+b", "in sync", "+a"]
    assert [asked.get("continue") for asked in api.asked] == [None, "next", None]
    assert api.asked[0]["limit"] == "500" and api.asked[2]["resourceVersion"] == "10"
    assert all(asked["fieldSelector"] == "a=b" for asked in api.asked)


async def test_the_next_watch_begins_where_the_last_one_ended_also_by_a_bookmark():
    api, follower = await followed(page("10"), [event("ADDED", "11", A), bookmark("20")], [])

    assert [asked.get("resourceVersion") for asked in api.asked] == [None, "10", "20"]
    assert follower.slept == []


@pytest.mark.parametrize("gone", [[error(410)], Gone("too old")])
async def test_what_is_too_old_is_listed_anew_and_only_the_difference_told(gone):
    C = service("shop/c")
    api, follower = await followed(page("10", A, B), gone, page("30", B, C), [])

    assert follower.summary == ["+a", "+b", *(["in sync"] if isinstance(gone, list) else []), "-a", "+c", "in sync"]
    assert "resourceVersion" not in api.asked[2]


async def test_a_list_whose_pages_are_too_old_begins_again_and_nothing_of_it_is_told():
    _api, follower = await followed(page("10", A, more="next"), Gone("expired"), page("12", B), [])

    assert follower.summary == ["+b", "in sync"]


async def test_a_deletion_is_reported_once_and_a_repetition_not_at_all():
    _api, follower = await followed(
        page("10", A),
        [event("MODIFIED", "11", A), event("DELETED", "12", A), event("DELETED", "13", A), event("ADDED", "14", A)],
    )

    assert follower.summary == ["+a", "in sync", "-a", "+a"]


@pytest.mark.parametrize(
    "broken",
    [
        [event("ADDED", "11", B), Unreachable("reset")],
        [event("ADDED", "11", B), error(500)],
        [event("ADDED", "11", B), b'{"type":"ADDED","obj'],
        [event("ADDED", "11", B), b"\xff"],
        [event("ADDED", "11", B), b""],
    ],
    ids=["connection", "error event", "cut mid-line", "no text", "empty line"],
)
async def test_a_watch_that_breaks_goes_on_from_where_it_was(broken):
    api, follower = await followed(page("10", A), broken, [])

    assert follower.summary[:3] == ["+a", "in sync", "+b"] and follower.summary[4:] == ["in sync"]
    assert follower.summary[3] in (Unreachable, Busy, Unreadable)
    assert api.asked[-1]["resourceVersion"] == "11"


async def test_an_object_that_is_nested_deeper_than_can_be_read_keeps_none_from_being_followed():
    def deep(text):
        fields = b'{"f:a":' * 9000 + b"{}" + b"}" * 9000
        return text.replace(b'"metadata": {"name"', b'"metadata": {"managedFields": [' + fields + b'], "name"')

    changed = event("MODIFIED", "11", service("shop/a", type="ClusterIP"))
    _api, follower = await followed(deep(page("10", A, B)), [deep(changed), event("DELETED", "12", B)])

    assert follower.summary == ["+a", "+b", "in sync", "+a", "-b"]


async def test_an_object_that_another_resource_brings_is_not_told():
    api, follower = ScriptedApi(page("10", A, B), [event("DELETED", "11", A), event("DELETED", "12", B)]), Follower()
    resource = replace(SERVICES, without=Ref("Service", "shop", "a"))

    await follower.follow(api, resource)

    assert follower.summary == ["+b", "in sync", "-b"]


async def test_a_refused_token_is_read_again():
    api, follower = await followed(Unauthorized("expired"), page("10", A), [])

    assert api.tokens_read == 1
    assert follower.summary == [Unauthorized, "+a", "in sync"]


async def test_failures_are_tried_again_ever_more_slowly_but_for_ever():
    _api, follower = await followed(*[Forbidden("no")] * 12, page("10"), [])

    assert follower.slept[:4] == [BACKOFF_S, BACKOFF_S * 2, BACKOFF_S * 4, BACKOFF_S * 8]
    assert follower.slept[-1] == BACKOFF_MAX_S
    assert follower.summary == [*[Forbidden] * 12, "in sync"]


async def test_a_server_that_wants_more_time_gets_it():
    _api, follower = await followed(Busy("429: slow down", 7.0), page("10"), [])

    assert follower.slept == [7.0]


async def test_versions_that_are_always_too_old_do_not_make_a_storm():
    _api, follower = await followed(*[page("10", A), Gone("no")] * 5)

    assert follower.slept == [BACKOFF_S * 2**power for power in range(5)]


async def test_watches_that_end_at_once_and_bring_nothing_do_not_make_a_storm():
    api, follower = await followed(page("10"), *[[]] * 5)

    assert follower.slept == [BACKOFF_S * 2**power for power in range(4)]
    assert [asked.get("resourceVersion") for asked in api.asked] == [None, *["10"] * 5]


async def test_a_server_that_wants_hours_does_not_get_them():
    _api, follower = await followed(Busy("503: come back tomorrow", 86400.0), page("10"), [bookmark("11")])

    assert follower.slept == [BACKOFF_MAX_S]


async def test_after_a_steady_time_the_first_failure_costs_no_wait():
    class Long(ScriptedApi):
        async def _next(self, query):
            follower.clock += STEADY_S
            return await super()._next(query)

    follower = Follower()
    await follower.follow(Long(page("10"), [Unreachable("reset")], [Unreachable("reset")], []))

    assert follower.slept == []
