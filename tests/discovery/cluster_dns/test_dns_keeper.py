"""The keeper against a scripted API server, on the test's clock."""

import json
from contextlib import asynccontextmanager

import anyio
import pytest

from discovery.cluster_dns.coredns import with_mesh
from discovery.cluster_dns.keeper import REST_MAX_S, REST_S, TRIES, Keeper, Task, remove
from discovery.cluster_dns.texts import Upstream
from discovery.sources.cluster.errors import Busy, Conflict, Forbidden, Unauthorized, Unreachable
from discovery.sources.cluster.watch import World
from tests.discovery.cluster_dns.corefiles import KUBEADM

pytestmark = pytest.mark.anyio

NODE = Upstream("169.254.77.1")
WITH_MESH = with_mesh(KUBEADM, NODE)
NAMESPACE, DEPLOYMENT, COREDNS = "namespaces/nodeproxy", "deployments/nodeproxy-dns", "configmaps/coredns"
LIMIT_S = 60  # only ever used up by a test that fails


class ApiServer:
    """Objects by kind and name, with versions and watches. `refusals` are raised by the next writes, one each."""

    def __init__(self):
        self.objects = {}
        self.refusals = []
        self.tokens_read = 0
        self._version = 0
        self._changed = anyio.Event()
        for key in (NAMESPACE, DEPLOYMENT):
            self.put(key)

    def put(self, key, data=None, **metadata):
        self._version += 1
        metadata = {"name": key.partition("/")[2], "resourceVersion": str(self._version), **metadata}
        self.objects[key] = {"metadata": metadata, "data": data}
        self._report()

    def drop(self, key):
        self._version += 1
        del self.objects[key]
        self._report()

    def _report(self):
        self._changed.set()
        self._changed = anyio.Event()

    def corefile(self):
        return self.objects[COREDNS]["data"]["Corefile"]

    async def until(self, claim):
        with anyio.fail_after(LIMIT_S):
            while not claim():
                await self._changed.wait()

    async def read(self, path, query):
        await anyio.lowlevel.checkpoint()
        key = _key(path, query)
        items = [self.objects[key]] if key in self.objects else []
        return json.dumps({"metadata": {"resourceVersion": str(self._version)}, "items": items}).encode()

    @asynccontextmanager
    async def lines(self, path, query, _silence_s):
        key = _key(path, query)

        async def iterate():
            before = None if int(query["resourceVersion"]) < self._version else self.objects.get(key)
            while True:
                now = self.objects.get(key)
                if now is not None and now != before:
                    yield json.dumps({"type": "MODIFIED", "object": now}).encode()
                if now is None and before is not None:
                    gone = {**before, "metadata": {**before["metadata"], "resourceVersion": str(self._version)}}
                    yield json.dumps({"type": "DELETED", "object": gone}).encode()
                before = now
                if self.objects.get(key) == now:
                    await self._changed.wait()

        yield iterate()

    async def merge(self, path, patch):
        await anyio.lowlevel.checkpoint()
        if self.refusals:
            refusal = self.refusals.pop(0)
            self._report()
            raise refusal
        key = "/".join(path.split("/")[-2:])
        current = self.objects[key]
        if patch["metadata"]["resourceVersion"] != current["metadata"]["resourceVersion"]:
            raise Conflict("the object has been modified")
        self.put(key, {**current["data"], **patch["data"]})

    async def create(self, path, value):
        raise AssertionError

    async def reload_token(self):
        self.tokens_read += 1


def _key(path, query):
    return f"{path.rpartition('/')[2]}/{query['fieldSelector'].partition('=')[2]}"


class Clock:
    """Time that passes when a task sleeps."""

    def __init__(self):
        self.now, self.slept = 0.0, []

    async def sleep(self, seconds):
        self.slept.append(seconds)
        self.now += seconds
        await anyio.lowlevel.checkpoint()

    @property
    def world(self):
        return World(self.sleep, lambda: self.now, lambda: 0.5)


@asynccontextmanager
async def keeping_at(api, clock=None, style="coredns"):
    """A keeper that runs."""
    keeper = Keeper(api, Task(style, NODE, "nodeproxy", "nodeproxy-dns"), (clock or Clock()).world)
    async with anyio.create_task_group() as group:
        group.start_soon(keeper.run)
        yield keeper
        group.cancel_scope.cancel()


async def test_two_writers_that_overwrite_each_other_do_not_storm():
    api, clock = ApiServer(), Clock()
    api.put(COREDNS, {"Corefile": KUBEADM})

    async with keeping_at(api, clock):
        for _ in range(10):
            await api.until(lambda: api.corefile() == WITH_MESH)
            api.put(COREDNS, {"Corefile": KUBEADM})
        await api.until(lambda: api.corefile() == WITH_MESH)

    assert clock.slept[:10] == [min(REST_S * 2**power, REST_MAX_S) for power in range(10)]


@pytest.mark.parametrize(
    "refusals",
    [
        [Conflict("modified")],
        [Unreachable("reset"), Busy("500: etcd", 0.0)],
        [Forbidden("cannot patch")] * 8,
        [Unauthorized("expired")],
    ],
    ids=lambda refusals: type(refusals[0]).__name__,
)
async def test_a_write_that_is_refused_is_tried_again(refusals):
    api = ApiServer()
    api.put(COREDNS, {"Corefile": KUBEADM})
    api.refusals = list(refusals)

    async with keeping_at(api):
        await api.until(lambda: not api.refusals)
        if isinstance(refusals[0], Conflict):
            api.put(COREDNS, {"Corefile": KUBEADM})  # the cause of a conflict
        await api.until(lambda: api.corefile() == WITH_MESH)

    assert api.tokens_read == sum(isinstance(each, Unauthorized) for each in refusals)


@pytest.mark.parametrize(
    "end",
    [
        lambda api: api.put(NAMESPACE, deletionTimestamp="2026-01-01T00:00:00Z"),
        lambda api: api.put(DEPLOYMENT, deletionTimestamp="2026-01-01T00:00:00Z"),
        lambda api: api.drop(DEPLOYMENT),
    ],
    ids=["namespace ends", "deployment ends", "deployment gone"],
)
async def test_the_end_of_an_owner_takes_the_part_out_for_good(end):
    api = ApiServer()
    api.put(COREDNS, {"Corefile": KUBEADM})

    async with keeping_at(api):
        await api.until(lambda: api.corefile() == WITH_MESH)
        end(api)
        await api.until(lambda: api.corefile() == KUBEADM)
        api.put(COREDNS, {"Corefile": WITH_MESH})
        await api.until(lambda: api.corefile() == KUBEADM)


async def test_a_rest_ends_with_the_owner():
    class Endless(Clock):
        async def sleep(self, seconds):
            await anyio.sleep_forever()

    api = ApiServer()
    api.put(COREDNS, {"Corefile": KUBEADM})

    async with keeping_at(api, Endless()):
        await api.until(lambda: api.corefile() == WITH_MESH)
        api.drop(DEPLOYMENT)
        await api.until(lambda: api.corefile() == KUBEADM)


async def test_an_owner_that_was_never_there_ends_nothing():
    api = ApiServer()
    api.drop(DEPLOYMENT)
    api.put(COREDNS, {"Corefile": KUBEADM})

    async with keeping_at(api) as keeper:
        await api.until(lambda: api.corefile() == WITH_MESH)
        await keeper.leave()

    assert api.corefile() == WITH_MESH


@pytest.mark.parametrize(("ending", "left"), [(True, KUBEADM), (False, WITH_MESH)])
async def test_at_its_own_end_it_looks_whether_it_is_an_uninstall(ending, left):
    api = ApiServer()
    api.put(COREDNS, {"Corefile": KUBEADM})
    async with keeping_at(api) as keeper:
        await api.until(lambda: api.corefile() == WITH_MESH)

    if ending:
        api.drop(DEPLOYMENT)
    await keeper.leave()

    assert api.corefile() == left


@pytest.mark.parametrize(("conflicts", "left"), [(TRIES - 1, KUBEADM), (TRIES, WITH_MESH)])
async def test_a_removal_that_others_are_quicker_than_is_tried_some_times(conflicts, left):
    api = ApiServer()
    api.put(COREDNS, {"Corefile": WITH_MESH})
    api.refusals = [Conflict("modified")] * conflicts

    try:
        await remove(api, NODE)
    except Conflict:
        assert conflicts == TRIES

    assert api.corefile() == left
