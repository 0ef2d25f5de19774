"""docs/canary.md on the cluster of two nodes, under load: a shift loses no request, a bad version is taken back."""

import json
import re
import shlex
from pathlib import Path

import pytest

from tests.cluster import pods
from tests.cluster.mesh import NOBODY, failed

ROOT = Path(__file__).parents[2]
COMMANDS = re.findall(r"^ {8}kubectl (.*)$", (ROOT / "docs" / "canary.md").read_text(), re.MULTILINE)
NODEPROXY = "/opt/nodeproxy/bin/nodeproxy"


@pytest.fixture
def steps(mesh):
    """Runs the page's next commands up to the one that ends with these words; cleans up as the page does."""
    left = iter(COMMANDS)

    def run_to(ending):
        for command in left:
            mesh.kubectl(
                *(str(ROOT / word) if word.startswith("manifests/") else word for word in shlex.split(command))
            )
            if command.endswith(ending):
                return
        raise AssertionError(f"no command ends with {ending}")

    yield run_to
    for command in left:
        mesh.kubectl(*shlex.split(command))
    mesh.nodes.plane.until(lambda: len(mesh.nodes.pods("web", "shop")) == 4, "the pods of other versions to go")


def rollouts(mesh):
    """The states of the rollouts of web on both nodes."""
    found = []
    for name, node in mesh.nodes.nodes.items():
        said = pods.run(node, mesh.proxy(name), NODEPROXY, "status", "--json", name="nodeproxy")
        found += [each["state"] for each in json.loads(said)["rollouts"] if each["service"] == "shop/web"]
    return found


def reasons(mesh):
    """Why there are events about the policy map."""
    events = mesh.nodes.plane.get("/api/v1/namespaces/shop/events")["items"]
    return {each["reason"] for each in events if each["involvedObject"]["name"] == "mesh"}


def test_a_shift_loses_no_request_and_a_bad_version_is_taken_back_by_itself(mesh, steps):
    until = mesh.nodes.plane.until
    steps("deployment/web-v2")

    def shift(loads):
        steps("nodeproxy status")
        until(lambda: "RolloutEnded" in reasons(mesh), "the rollout to end")
        until(lambda: not rollouts(mesh), "the rollout to end on both nodes")
        mesh.more(loads, 200)

    shifted = mesh.under_load("a shift to version 2", shift)
    steps("deployment/web-v3")
    after_return = {}

    def bad(loads):
        steps("half-v3.yaml")
        until(lambda: "RolloutReturned" in reasons(mesh), "a node to return")  # one look is cheaper than two programs
        until(lambda: [state[:10] for state in rollouts(mesh)] == ["taken back"] * 2, "both nodes to return")
        mesh.more(loads, 20)  # those that were under way
        after_return.update({name: load.result["failed"] for name, load in loads.items()})
        mesh.more(loads, 400)

    broken = mesh.under_load("a bad version 3", bad)

    assert failed(shifted) == NOBODY
    assert all({"1", "2"} <= result["by_version"].keys() for result in shifted.values())
    assert failed(broken) == after_return
    assert all(0 < result["failed"] < result["requests"] / 4 for result in broken.values())
    assert all("3" not in result["by_version"] for result in broken.values())
