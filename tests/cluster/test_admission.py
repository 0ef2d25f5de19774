"""The admission webhook on a real API server, with the permissions of the manifests and no others."""

import base64
import json
import socket
import ssl
import time
from functools import partial

import anyio
import pytest
from anyio.to_thread import run_sync

from discovery.admission.review import reviewed
from discovery.admission.rotation import Rotation
from discovery.admission.secret import Names
from discovery.admission.server import ReviewServer
from discovery.services.catalogue import POLICY_MAP
from discovery.sources.cluster.access import Access
from discovery.sources.cluster.api import connected
from discovery.sources.cluster.watch import World
from tests.cluster.keeper import MANIFESTS, Keeper, apply, delete
from tests.discovery.kube import own_policy_map, policy_map
from tests.fakes.ports import free_port

ADMISSION = MANIFESTS / "admission"
NAMES = Names("nodeproxy", "nodeproxy-admission", "nodeproxy-policy")
BAD, GOOD = "retries: {attempts: many}", "retries: {attempts: 3}"
DAY_S = 86_400.0


class Webhook:
    """What the tests do with the cluster."""

    def __init__(self, cluster, folder):
        self.cluster, self.folder, self.port = cluster, folder, free_port()
        # No pods run here, and no kube-proxy: the Service leads to this machine, and its name stays the certificate's.
        to_here = {"spec": {"type": "ExternalName", "externalName": "127.0.0.1", "clusterIP": None, "clusterIPs": None}}
        self._patch("service", "nodeproxy-admission", "merge", to_here)
        ports = [
            {"op": "replace", "path": f"/webhooks/{number}/clientConfig/service/port", "value": self.port}
            for number in range(2)
        ]
        self._patch("validatingwebhookconfiguration", "nodeproxy-policy", "json", ports)

    def _patch(self, kind, name, how, patch):
        done = self.cluster.kubectl(
            "patch", kind, name, "--namespace=nodeproxy", f"--type={how}", f"--patch={json.dumps(patch)}"
        )
        assert done.returncode == 0, done.stderr

    def keeper(self):
        return Keeper(self.cluster, self.folder, manifests=ADMISSION, admission=f"127.0.0.1:{self.port}")

    def apply(self, value, *flags):
        return self.cluster.kubectl("apply", "--filename=-", *flags, document=value)

    def refuses(self):
        """Whether the API server has a bad table refused; dry, so nothing is written."""
        return self.apply(policy_map(_default=BAD), "--dry-run=server").returncode != 0

    def wait(self):
        self.cluster.until(self.refuses, "the webhook to be in force")

    def account(self):
        token = self.cluster.kubectl("create", "token", "nodeproxy-dns", "--namespace=nodeproxy").stdout.strip()
        return Access(self.cluster.kubeconfig(token))

    def served(self):
        """The certificate that the webhook serves with, as the API server's bundle lets it be verified."""
        value = self.cluster.get(f"/api/v1/namespaces/nodeproxy/secrets/{NAMES.service}")["data"]
        context = ssl.create_default_context(cadata=base64.b64decode(value["ca.crt"]).decode())
        with (
            socket.create_connection(("127.0.0.1", self.port)) as plain,
            context.wrap_socket(plain, server_hostname=NAMES.host) as tls,
        ):
            return tls.getpeercert()["serialNumber"]


@pytest.fixture(scope="module")
def installed(cluster):
    """The manifests with the webhook; everything of them ends with the module, because other tests expect none."""
    yield cluster
    delete(cluster, ADMISSION)


@pytest.fixture
def webhook(installed, tmp_path):
    apply(installed, ADMISSION)
    return Webhook(installed, tmp_path)


@pytest.fixture
def shop(cluster, shop):
    """Its policy maps end with the test."""
    yield shop
    cluster.kubectl("delete", "configmap", "--selector=mesh.nodeproxy.dev/policy", f"--namespace={shop}")


def test_a_bad_table_is_refused_with_the_words_of_the_nodes_and_a_good_one_taken(webhook, shop):
    with webhook.keeper() as keeper:
        webhook.wait()

        bad, dry = (
            webhook.apply(own_policy_map(f"{shop}/policies", web=BAD)),
            webhook.apply(policy_map(reviews__shop="retires: {}"), "--dry-run=server"),
        )
        good = webhook.apply(own_policy_map(f"{shop}/policies", web=GOOD))
        made_bad = webhook.apply(own_policy_map(f"{shop}/policies", web=BAD))

        assert 'admission webhook "namespaced.policy.nodeproxy.dev" denied the request' in bad.stderr
        assert "data.web, line 1: retries.attempts: " in bad.stderr and "got 'many'" in bad.stderr
        assert 'data["reviews.shop"], line 1: retires: no such policy' in dry.stderr
        assert (good.returncode, made_bad.returncode) == (0, 1)
        found = webhook.cluster.get(f"/api/v1/namespaces/{shop}/configmaps/policies")
        assert found["data"] == {"web": GOOD}
        assert "problem admission webhook" not in keeper.text


def test_only_policy_maps_are_reviewed_and_a_label_of_another_value_gets_a_warning(webhook, shop):
    with webhook.keeper():
        webhook.wait()

        plain = webhook.apply(own_policy_map(f"{shop}/plain", label=None, web=BAD))
        odd = webhook.apply(own_policy_map(f"{shop}/odd", label="yes", web=BAD))

    assert (plain.returncode, plain.stderr) == (0, "")
    assert odd.returncode == 0 and "expected \"true\", got 'yes'" in odd.stderr
    webhook.cluster.kubectl("delete", "configmap", "plain", f"--namespace={shop}")


def test_without_the_keeper_a_map_is_taken_and_after_a_restart_reviewed_again(webhook, shop):
    with webhook.keeper():
        webhook.wait()
        before = webhook.served()

    without = webhook.apply(own_policy_map(f"{shop}/policies", web=BAD))
    with webhook.keeper():
        webhook.wait()
        after = webhook.served()

    assert without.returncode == 0, without.stderr
    assert before == after  # the Secret is the truth


def test_a_certificate_near_its_end_is_replaced_and_reviews_go_on_meanwhile(webhook):
    past_s, seen = 61 * DAY_S, []

    async def look():
        seen.append(await run_sync(lambda: (webhook.refuses(), webhook.served())))

    async def serve_and_rotate():
        nonlocal past_s
        async with connected(webhook.account()) as api, anyio.create_task_group() as group:
            world = World(anyio.sleep, time.monotonic, lambda: 0.5)
            rotation = Rotation(api, NAMES, world, lambda: time.time() - past_s)
            await rotation.round()
            server = ReviewServer(lambda: rotation.context, partial(reviewed, mesh_map=POLICY_MAP))
            group.start_soon(server.serve, "127.0.0.1", webhook.port)
            await run_sync(webhook.wait)
            await look()
            past_s = 0
            for _ in range(2):  # replaced and trusted; then served
                await rotation.round()
                await look()
            group.cancel_scope.cancel()

    anyio.run(serve_and_rotate)

    (first, before), (meanwhile, still), (last, after) = seen
    assert first and meanwhile and last
    assert before == still != after


def test_another_apply_of_the_manifests_leaves_the_certificate(webhook):
    with webhook.keeper():
        webhook.wait()

        apply(webhook.cluster, ADMISSION)

        secret = webhook.cluster.get(f"/api/v1/namespaces/nodeproxy/secrets/{NAMES.service}")
        path = f"/apis/admissionregistration.k8s.io/v1/validatingwebhookconfigurations/{NAMES.configuration}"
        assert sorted(secret["data"]) == ["ca.crt", "tls.crt", "tls.key"]
        assert all("caBundle" in each["clientConfig"] for each in webhook.cluster.get(path)["webhooks"])


def test_nothing_more_is_permitted_than_that(webhook):
    account = "--as=system:serviceaccount:nodeproxy:nodeproxy-dns"

    def may(verb, what, namespace="nodeproxy"):
        flags = ("auth", "can-i", verb, what, f"--namespace={namespace}", account)
        return webhook.cluster.kubectl(*flags).returncode == 0

    assert may("get", "secrets/nodeproxy-admission") and may("patch", "secrets/nodeproxy-admission")
    assert may("patch", "validatingwebhookconfigurations/nodeproxy-policy")
    assert not may("get", "secrets/other") and not may("list", "secrets") and not may("create", "secrets")
    assert not may("get", "secrets/nodeproxy-admission", "default")
    assert not may("patch", "validatingwebhookconfigurations/other")
    assert not may("create", "validatingwebhookconfigurations")
