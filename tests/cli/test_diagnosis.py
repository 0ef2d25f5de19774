"""The judgement of what diagnose has found: what is hard to break on purpose, and which of several is said."""

from dataclasses import replace

import pytest
from msgspec.structs import replace as changed

from nodeproxy.cli.diagnosis.evidence import Evidence
from nodeproxy.cli.diagnosis.judgement import diagnosed
from nodeproxy.cli.diagnosis.trials import Replied, Resolved
from nodeproxy.cli.diagnosis.walk import target_of
from nodeproxy.mesh.diagnosis import CallerFacts, Facts, PortFacts
from nodeproxy.mesh.service_view import EndpointView, InWorker, RefusedView

USED = EndpointView("10.0.0.1:8080", "n1", "z1", 0, True, 0, 1, (InWorker(0, True, 0.0, 0, False, 0, 1),))
OUT = EndpointView("10.0.0.1:8080", "n1", "z1", 0, False, 0, 0, (InWorker(0, False, 9.0, 1, False, 0, 0, "reset"),))
PORT = PortFacts("80", 80, "http", "tcp", True, "", "", 1, 0, 1, True, (USED,))
FACTS = Facts(
    restored=False, watch_errors=(), workers=1, silent=(), listeners_missing=0, namespace="shop", service="web",
    virtual_address="240.77.0.9", slices=1, port=PORT,
)  # fmt: skip
WELL = Evidence(
    facts=FACTS,
    in_cluster=True,
    node_dns=Resolved("169.254.77.1:53", ("240.77.0.9",)),
    cluster_dns=Resolved("10.96.0.10:53", ("240.77.0.9",)),
    local=True,
    connects={"10.0.0.1:8080": "connected"},
    reply=Replied("GET /", 200, elapsed_s=0.002),
)
CALLER = CallerFacts("shop", "cart", 40, {"rate-limited": 3}, "rateLimit.perCaller, 5 requests/s, burst 1")


def with_facts(**facts):
    return replace(WELL, facts=changed(FACTS, **facts))


def with_port(**port):
    return with_facts(port=changed(PORT, **port))


def test_nothing_broken_is_healthy():
    found = diagnosed("web.shop", WELL)

    assert (found.healthy, found.sentence) == (True, "web.shop is healthy: GET / got 200 after 0.002 s")
    assert {step.state for step in found.steps if step.name != "caller"} == {"ok"}


@pytest.mark.parametrize(
    ("evidence", "step", "sentence"),
    [
        (with_facts(workers=0), "node", "no worker is connected to the control process; read the log"),
        (
            with_facts(restored=True, watch_errors=("services: refused",)),
            "node",
            "last good state is in force (services: refused); check that the API server",
        ),
        (
            with_facts(watch_errors=("services: 403",)),
            "node",
            "the API server cannot be watched, so what this node has grows old (services: 403)",
        ),
        (with_facts(silent=(1,)), "node", "worker 1 did not answer in time"),
        (
            replace(WELL, node_dns=None),
            "node dns",
            "this node answers no DNS, because the setting dns is empty; set it",
        ),
        (
            replace(WELL, node_dns=Resolved("1.1.1.1:53", problem="does not answer within 2 s")),
            "node dns",
            "the node's DNS listener 1.1.1.1:53 does not answer within 2 s",
        ),
        (
            replace(WELL, cluster_dns=Resolved("10.96.0.10:53", ("9.9.9.9",))),
            "cluster dns",
            "has 9.9.9.9 for it, not 240.77.0.9: it does not forward",
        ),
        (replace(WELL, local=False), "address", "240.77.0.9 is not an address of this node"),
        (with_facts(listeners_missing=3), "address", "no listener at 3 of the services' own addresses"),
        (with_port(in_table=False), "table", "a worker does not have web.shop port 80 in its table"),
        (with_facts(returned="20 % more failed"), "policy", "a changed policy table was taken back (20 % more failed)"),
        (
            with_facts(subscribed=False),
            "endpoints",
            "the endpoints of web.shop are subscribed to and have not arrived; check that the API server",
        ),
        (
            replace(with_facts(subscribed=False), reply=None),
            "endpoints",
            "are not followed, because no request has asked for them",
        ),
        (
            with_port(ready=0, written=0),
            "endpoints",
            "web.shop has EndpointSlices without an endpoint, so its selector matches no pod",
        ),
        (
            with_port(ready=0, without_port=1),
            "endpoints",
            "the pods of web.shop have no port for port 80; compare the names and targetPorts",
        ),
        (
            replace(
                with_facts(only_local=True, port=changed(PORT, ready=0)),
            ),
            "endpoints",
            "internalTrafficPolicy of web.shop is Local",
        ),
        (
            with_port(unserved="port 80 speaks SCTP, which the mesh does not serve: call it past the mesh"),
            "name",
            "is not served, port 80 speaks SCTP, which the mesh does not serve; call it past",
        ),
        (
            replace(WELL, connects={"a:1": "no route to host"}),
            "reached",
            "1 of 1 endpoints of web.shop cannot be reached: a:1 no route to host; check the network",
        ),
        (
            with_port(endpoints=(OUT,)),
            "in use",
            "all of 1 endpoints are ejected: 10.0.0.1:8080 (reset, for 9.0 s more)",
        ),
        (
            replace(WELL, reply=Replied("GET /", 503, "connection-pool-full")),
            "request",
            "its policy connectionPool allows no more connections or requests",
        ),
        (
            replace(WELL, reply=Replied("GET /", 503, "new-reason", "what it says\n")),
            "request",
            "with 503: what it says; see `nodeproxy explain`",
        ),
        (
            replace(WELL, reply=Replied("GET /", problem="127.0.0.1:80: refused")),
            "request",
            "nothing comes back through this node: 127.0.0.1:80: refused",
        ),
    ],
)
def test_a_breakage_is_the_sentence_and_broken_at_its_step(evidence, step, sentence):
    found = diagnosed("web.shop", evidence)

    assert not found.healthy
    assert [each.name for each in found.steps if each.state == "broken"] == [step]
    assert sentence in found.sentence


def test_what_stops_requests_is_said_before_what_does_not():
    old_and_dead = replace(
        with_facts(watch_errors=("services: 403",), refused=(RefusedView("shop/mesh", "bad", "nothing is in force"),)),
        connects={"10.0.0.1:8080": "refused"},
    )

    found = diagnosed("web.shop", old_and_dead)

    assert "10.0.0.1:8080 refuse the connection" in found.sentence
    assert [step.name for step in found.steps if step.state == "broken"] == ["node", "policy", "reached"]


def test_a_caller_whose_requests_are_refused_now_is_said_with_its_limit():
    before = changed(CALLER, refused={"rate-limited": 1})

    found = diagnosed("web.shop", replace(with_facts(caller=CALLER), caller_before=before))

    assert found.sentence == (
        "2 requests of shop/cart to web.shop are being refused: its policy rateLimit allows no more requests now,"
        " rateLimit.perCaller, 5 requests/s, burst 1; raise the limit, or send less"
    )


def test_what_was_refused_to_a_caller_before_is_no_breakage():
    found = diagnosed("web.shop", replace(with_facts(caller=CALLER), caller_before=CALLER))

    assert found.healthy
    (told,) = [step.text for step in found.steps if step.name == "caller"]
    assert told.startswith("shop/cart: 40 requests so far, 3 rate-limited; its limit is rateLimit.perCaller")


def test_a_caller_that_is_not_known_is_a_breakage_of_its_own():
    found = diagnosed("web.shop", with_facts(caller_problem="no pod of this node is 'x'; its callers are none"))

    assert "no pod of this node is 'x'" in found.sentence and "on the node that the pod runs on" in found.sentence


@pytest.mark.parametrize(
    ("text", "name", "path", "wants_http"),
    [
        ("web.shop", "web.shop", "/", False),
        ("http://web.shop.mesh:81/x?y=1", "web.shop.mesh:81", "/x", True),
        ("http://web.shop.mesh", "web.shop.mesh", "/", True),
    ],
)
def test_a_name_may_be_a_url_as_a_client_has_it(text, name, path, wants_http):
    target = target_of(text)

    assert (target.name, target.path, target.wants_http) == (name, path, wants_http)
