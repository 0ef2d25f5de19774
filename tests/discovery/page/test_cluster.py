"""The view of the cluster: every node in its line, with its numbers or with why it has none; nothing is waited for."""

import json

import anyio
import msgspec
import pytest

from discovery.observe.page import cluster
from discovery.observe.page.cluster import FRESH_S, PODS, ClusterApi, NodeSummary, SummaryPage, off
from discovery.observe.page.history import History
from discovery.observe.server import Asked
from discovery.sources.cluster.errors import Forbidden, Unreachable
from discovery.workers.publish import Publisher

pytestmark = pytest.mark.anyio


class Server:
    """An API server: `nodes` are what each node answers, by its name."""

    def __init__(self, nodes, leaving=(), error=None):
        self.nodes, self.leaving, self.error = nodes, leaving, error
        self.asked = []

    async def read(self, path, query):
        self.asked.append(path)
        if path == PODS:
            if self.error is not None:
                raise self.error
            assert query["labelSelector"] == "app=nodeproxy"
            pods = [(f"pod-{node}", node, {}) for node in ("n0", *self.nodes)]
            pods += [(f"old-{node}", node, {"deletionTimestamp": "2026-01-01T00:00:00Z"}) for node in self.leaving]
            items = [{"metadata": {"name": name, **more}, "spec": {"nodeName": node}} for name, node, more in pods]
            return json.dumps({"items": items}).encode()
        node = path.removeprefix(f"{PODS}/pod-").removesuffix(":9076/proxy/summary")
        answer = self.nodes[node]
        if answer == "silence":
            await anyio.sleep_forever()
        if isinstance(answer, Exception):
            raise answer
        return answer


def summary(name, requests_per_s=7.0):
    return msgspec.json.encode(NodeSummary(name, 12, requests_per_s, 0.5, 2, 0.3))


def api_of(server, now=lambda: 100.0):
    publisher = Publisher()
    page = ClusterApi(SummaryPage(publisher, History(publisher.reports), "n0"), 9076, now)
    page.api = server
    return page


async def nodes(page):
    return {each["name"]: each for each in json.loads((await page(Asked())).body)["nodes"]}


async def test_every_node_is_asked_once_and_this_one_not_at_all():
    server = Server({"n1": summary("n1")}, leaving=("n1",))

    found = await nodes(api_of(server))

    assert sorted(found) == ["n0", "n1"]
    assert found["n1"] == {
        "name": "n1", "reachable": True, "error": "", "services": 12, "requests_per_s": 7.0, "errors_per_s": 0.5,
        "workers": 2, "table_age_s": 0.3,
    }  # fmt: skip
    assert server.asked == [PODS, f"{PODS}/pod-n1:9076/proxy/summary"]


async def test_a_node_that_does_not_answer_has_its_reason_and_the_others_their_numbers(monkeypatch):
    monkeypatch.setattr(cluster, "NODE_S", 0.05)
    answers = {
        "n1": summary("n1"), "n2": Unreachable("connection refused"), "n3": b"<html>", "n4": "silence",
    }  # fmt: skip

    found = await nodes(api_of(Server(answers)))

    assert [found[name]["reachable"] for name in sorted(found)] == [True, True, False, False, False]
    assert found["n2"]["error"] == "connection refused"
    assert found["n4"]["error"] == "no answer within 0.05 s"
    assert found["n3"]["services"] is None


async def test_many_readers_are_one_look_while_it_is_fresh():
    now = [100.0]
    server = Server({"n1": summary("n1")})
    page = api_of(server, lambda: now[0])

    await page(Asked())
    await page(Asked())
    fresh = len(server.asked)
    now[0] += FRESH_S
    await page(Asked())

    assert (fresh, len(server.asked)) == (2, 4)


async def test_a_missing_permission_is_told():
    answer = await api_of(Server({}, error=Forbidden("pods is forbidden")))(Asked())

    assert (answer.status, answer.body) == (502, b"the pods of the proxy cannot be listed: pods is forbidden\n")


async def test_before_the_api_server_is_reached_and_where_it_is_off_that_is_told():
    assert (await api_of(None)(Asked())).status == 503
    assert (await off(Asked())).status == 404
