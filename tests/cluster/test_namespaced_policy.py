"""Policy maps of namespaces on a real API server, with the permissions of the manifests and no others."""

from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.cluster.follower import Follower
from tests.cluster.objects import web
from tests.discovery.kube import own_policy_map, policy_map

MANIFESTS = Path(__file__).parents[2] / "manifests"


@pytest.fixture
def account(cluster):
    """A kubeconfig of the DaemonSet's own account, with all that the manifests give it."""
    done = cluster.kubectl("apply", "--validate=strict", f"--kustomize={MANIFESTS}")
    assert done.returncode == 0, done.stderr
    token = cluster.kubectl("create", "token", "nodeproxy", "--namespace=nodeproxy").stdout.strip()
    yield cluster.kubeconfig(token)
    cluster.kubectl("delete", "configmap", "nodeproxy-policy", "--namespace=nodeproxy", "--ignore-not-found")


@pytest.fixture
def shop(cluster, shop):
    """With a service in it; its policy maps end with the test, because other tests would see them."""
    cluster.apply(*web(shop, "10.0.0.1"))
    yield shop
    cluster.kubectl("delete", "configmap", "--selector=mesh.nodeproxy.dev/policy", f"--namespace={shop}")


def attempts(number):
    return f"retries: {{attempts: {number}}}"


def in_force(namespace):
    """What a worker has been told of the service's policies beyond those of the mesh."""
    key = f"{namespace}/web"
    return lambda follower: follower.services[key].policies.get("retries", {}) if key in follower.services else None


def events(cluster, namespace, name="policies"):
    """Reason and message of the events on a policy map, by the selector with which kubectl finds them."""
    selector = f"involvedObject.kind=ConfigMap,involvedObject.name={name}"
    found = cluster.get(f"/api/v1/namespaces/{namespace}/events", fieldSelector=selector)
    return [(each["reason"], each["message"]) for each in found["items"]]


def test_a_map_is_in_force_for_its_namespace_and_whoever_wrote_it_sees_that(cluster, account, shop, tmp_path):
    cluster.apply(own_policy_map(f"{shop}/policies", web=attempts(7)))

    with Follower(account, tmp_path) as follower:
        follower.until(lambda it: (in_force(shop)(it) or {}).get("attempts") == 7, "the table")
        follower.until(lambda it: it.accepted.get(f"{shop}/policies"), "the verdict")
        assert follower.services["default/kubernetes"].policies["retries"]["attempts"] == 2
        cluster.until(lambda: events(cluster, shop) == [("PolicyAccepted", "in force: 1 table")], "the event")
        described = cluster.kubectl("describe", "configmap", "policies", f"--namespace={shop}").stdout
        assert "PolicyAccepted" in described and "nodeproxy" in described
        assert "problem" not in follower.log.read_text()

        cluster.kubectl("label", "configmap", "policies", f"--namespace={shop}", "mesh.nodeproxy.dev/policy-")
        follower.until(lambda it: in_force(shop)(it)["attempts"] == 2, "the end of the table with its label")
        follower.until(lambda it: f"{shop}/policies" not in it.accepted, "the end of the verdict")


def test_a_rejected_map_leaves_the_last_good_one_in_force_and_says_why(cluster, account, shop, tmp_path):
    cluster.apply(own_policy_map(f"{shop}/policies", web=attempts(7)))

    with Follower(account, tmp_path) as follower:
        follower.until(lambda it: it.accepted.get(f"{shop}/policies"), "the good map")
        cluster.apply(own_policy_map(f"{shop}/policies", web=attempts("many"), web__elsewhere=attempts(9)))
        follower.until(lambda it: it.accepted.get(f"{shop}/policies") is False, "the refusal")
        cluster.until(lambda: "PolicyRejected" in dict(events(cluster, shop)), "the event")

        assert in_force(shop)(follower)["attempts"] == 7
        told = dict(events(cluster, shop))["PolicyRejected"]
        assert "data.web, line 1: retries.attempts: " in told and "got 'many'" in told
        assert f'data["web.elsewhere"]: a policy map of namespace {shop} is for services of {shop} alone' in told
        assert "got 'many'" in follower.log.read_text()


def test_a_map_rules_no_service_of_another_namespace(cluster, account, shop, tmp_path):
    cluster.apply(own_policy_map(f"{shop}/policies", kubernetes__default=attempts(9), _default=attempts(8)))

    with Follower(account, tmp_path) as follower:
        follower.until(lambda it: it.accepted.get(f"{shop}/policies") is False, "the refusal")
        follower.until(lambda it: (in_force(shop)(it) or {}).get("attempts") == 8, "the namespace's own default")

        assert follower.services["default/kubernetes"].policies["retries"]["attempts"] == 2


def already_there(cluster):
    """How many events the API server has refused because it had them."""
    counts = (line.partition("} ") for line in cluster.metrics() if line.startswith("apiserver_request_total{"))
    wanted = ('code="409"', 'resource="events"', 'verb="POST"')
    return sum(float(count) for labels, _, count in counts if all(label in labels for label in wanted))


def test_of_all_nodes_and_restarts_there_is_one_event(cluster, account, shop, tmp_path):
    assert cluster.kubectl("delete", "configmap", "nodeproxy-policy", "--namespace=nodeproxy").returncode == 0
    cluster.apply(own_policy_map(f"{shop}/first", web=attempts(7)), own_policy_map(f"{shop}/then", other=attempts(1)))
    before = already_there(cluster)

    for refused in (2, 6):  # two maps; of two nodes one comes late, and both do when they start again
        with ExitStack() as nodes:
            for name in "ab":
                (tmp_path / name).mkdir(exist_ok=True)
                nodes.enter_context(Follower(account, tmp_path / name))
            cluster.until(lambda refused=refused: already_there(cluster) == before + refused, "all to have tried")

    assert [len(events(cluster, shop, name)) for name in ("first", "then")] == [1, 1]


def test_annotations_of_a_service_are_in_force_and_bad_ones_an_event_that_kubectl_describes(
    cluster, account, shop, tmp_path
):
    def annotate(text):
        words = ("annotate", "--overwrite", "service", "web", f"--namespace={shop}")
        assert cluster.kubectl(*words, f"mesh.traefik.io/retry-attempts={text}").returncode == 0

    with Follower(account, tmp_path) as follower:
        annotate("4")
        follower.until(lambda it: (in_force(shop)(it) or {}).get("attempts") == 3, "the annotation")
        annotate("many")
        cluster.until(
            lambda: "PolicyRejected" in cluster.kubectl("describe", "service", "web", f"--namespace={shop}").stdout,
            "the event",
        )

        assert in_force(shop)(follower)["attempts"] == 3
        described = cluster.kubectl("describe", "service", "web", f"--namespace={shop}").stdout
        assert "expected a whole number of at least 1 in quotes, got 'many'" in described


def test_the_mesh_wide_map_has_its_event_too(cluster, account, tmp_path):
    cluster.apply(policy_map(_default="retires: {}"))

    with Follower(account, tmp_path) as follower:
        follower.until(lambda it: it.accepted.get("nodeproxy/nodeproxy-policy") is False, "the verdict")

        def told():
            return [text for _, text in events(cluster, "nodeproxy", "nodeproxy-policy") if "retires: no such" in text]

        cluster.until(told, "the event")


def test_without_the_permission_the_mesh_runs_without_such_maps_and_says_so(cluster, account, shop, tmp_path):
    cluster.apply(own_policy_map(f"{shop}/policies", web=attempts(7)))
    assert cluster.kubectl("delete", "clusterrolebinding", "nodeproxy-namespaced-policy").returncode == 0

    with Follower(account, tmp_path) as follower:
        follower.until(lambda it: f"{shop}/web" in it.services and it.fresh, "the mesh, in sync")
        cluster.until(lambda: "forbids it" in follower.log.read_text(), "the refusal to be told")

        assert in_force(shop)(follower)["attempts"] == 2
        told = follower.log.read_text()
        assert 'cannot list resource "configmaps"' in told
        assert "the mesh works without it (policies of single namespaces)" in told


def test_an_event_that_is_forbidden_costs_a_word_and_not_the_policy(cluster, account, shop, tmp_path):
    rules = '[{"op": "remove", "path": "/rules/1"}]'
    role = ["patch", "clusterrole", "nodeproxy-namespaced-policy", "--type=json", f"--patch={rules}"]
    assert cluster.kubectl(*role).returncode == 0
    cluster.apply(own_policy_map(f"{shop}/policies", web=attempts(7)))

    with Follower(account, tmp_path) as follower:
        follower.until(lambda it: (in_force(shop)(it) or {}).get("attempts") == 7, "the table")
        cluster.until(lambda: "create of events" in follower.log.read_text(), "a word about the event")

        assert 'cannot create resource "events"' in follower.log.read_text()
