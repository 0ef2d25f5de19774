"""--node on a real API server: what prevents it, by the server's own words."""

from tests.cluster.control_plane import ADMIN
from tests.fakes.node import command


def test_a_node_that_is_not_there_is_said_with_those_that_are(cluster, shop):
    cluster.apply({"apiVersion": "v1", "kind": "Node", "metadata": {"name": "here"}})

    missing, empty = (
        command("diagnose", f"web.{shop}", "--node", name, "--kubeconfig", str(cluster.kubeconfig(ADMIN)))
        for name in ("gone", "here")
    )

    assert (missing.returncode, empty.returncode) == (2, 2)
    assert "there is no node gone; there are " in missing.stderr and "here" in missing.stderr
    assert "no running pod of the proxy (app=nodeproxy in namespace nodeproxy) is on node here" in empty.stderr


def test_an_account_that_may_not_see_the_pods_is_told_what_it_needs(cluster, shop):
    token = cluster.kubectl("create", "token", "default", f"--namespace={shop}").stdout.strip()

    done = command("status", "--node", "here", "--kubeconfig", str(cluster.kubeconfig(token)))

    assert done.returncode == 1
    assert "the API server forbids pods (403" in done.stderr
    assert "ask for a Role with `create` and `get` on pods/exec" in done.stderr
