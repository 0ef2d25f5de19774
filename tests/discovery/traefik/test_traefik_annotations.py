"""The annotations of Traefik Mesh on Services: which policies they are, what is said of them, and which table wins."""

import pytest

from discovery.kubernetes.objects import Ref
from discovery.observe.explain import layers_in_force, policies_in_force
from discovery.policies.layers import PolicyLayers
from discovery.policies.traefik.services import REPORTED_MOST
from discovery.services.catalogue import POLICY_MAP, Catalogue, Scope
from discovery.sources.source import Batch
from nodeproxy.policies.table import PolicyRefused
from tests.discovery.kube import delete, own_policy_map, policy_map, put, service

REF = Ref("Service", "shop", "reviews")
TCP, UDP = {"name": "a", "port": 80}, {"name": "b", "port": 53, "protocol": "UDP"}


def annotated(key="shop/reviews", prefix="mesh.traefik.io/", ports=None, **annotations):
    """A Service with annotations; `_` stands for the dash."""
    value = service(key, ports=ports)
    value["metadata"]["annotations"] = {prefix + name.replace("_", "-"): text for name, text in annotations.items()}
    return value


def catalogue_of(*values, **scope):
    found = Catalogue(Scope(**scope))
    found.apply(Batch(tuple(map(put, values))))
    return found


def policies(found, key="shop/reviews"):
    return found.services[key].policies


def said(found, severity):
    return [str(problem) for problem in found.problems() if problem.severity == severity]


@pytest.mark.parametrize("prefix", ["mesh.traefik.io/", "maesh.containo.us/"])
def test_each_annotation_is_a_policy_under_either_prefix(prefix):
    found = catalogue_of(
        annotated(
            prefix=prefix,
            traffic_type="http",
            scheme="h2c",
            retry_attempts="3",
            circuit_breaker_expression="ResponseCodeRatio(500, 600, 0, 600) > 0.5",
            ratelimit_average="100",
            ratelimit_burst="200",
        )
    )

    in_force = policies(found)
    assert in_force["protocol"] == {"ports": {"80": "http2"}}
    assert in_force["retries"] == {"attempts": 2, "retryOn": ["connect-failure"]}
    assert in_force["circuitBreaker"]["failureRatio"] == 0.5
    assert in_force["rateLimit"] == {"perCaller": {"requestsPerSecond": 100, "burst": 200}}
    assert [port.protocol for port in found.services["shop/reviews"].ports] == ["http2"]
    assert said(found, "error") == []


def test_the_current_prefix_wins_over_the_old_one():
    value = annotated(retry_attempts="2")
    value["metadata"]["annotations"]["maesh.containo.us/retry-attempts"] = "5"

    found = catalogue_of(value)

    assert policies(found)["retries"]["attempts"] == 1


def test_only_these_annotations_of_a_service_are_kept():
    value = annotated(retry_attempts="2")
    value["metadata"]["annotations"]["kubectl.kubernetes.io/last-applied-configuration"] = "{}"
    plain = service("shop/web")
    plain["metadata"]["annotations"] = {"a": "b"}

    found = catalogue_of(value, plain).store.services

    assert found["shop/reviews"].object.metadata.annotations == {"mesh.traefik.io/retry-attempts": "2"}
    assert found["shop/web"].object.metadata.annotations is None


@pytest.mark.parametrize(
    ("annotations", "ports", "protocols"),
    [
        ({"traffic_type": "http"}, [TCP, UDP], {"80": "http"}),
        ({"traffic_type": "tcp"}, [TCP, UDP], {"80": "tcp"}),
        ({"traffic_type": "udp"}, [TCP, UDP], {}),
        ({"scheme": "http"}, [TCP], {"80": "http"}),
        ({"scheme": "https"}, [TCP], {}),
        ({"traffic_type": "http", "scheme": "https"}, [TCP], {}),
        ({"traffic_type": "tcp", "scheme": "h2c"}, [TCP], {"80": "tcp"}),
        ({"traffic_type": "http"}, [UDP], {}),
    ],
)
def test_traffic_type_and_scheme_declare_the_tcp_ports(annotations, ports, protocols):
    found = catalogue_of(annotated(ports=ports, **annotations))

    assert policies(found).get("protocol", {}).get("ports", {}) == protocols
    assert said(found, "error") == []


@pytest.mark.parametrize(
    ("annotations", "words"),
    [
        ({"traffic_type": "grpc"}, "traffic-type\"]: expected http, tcp or udp, got 'grpc'"),
        ({"scheme": "http2"}, "scheme\"]: expected http, h2c or https, got 'http2'"),
        ({"retry_attempts": "0"}, "retry-attempts\"]: expected a whole number of at least 1 in quotes, got '0'"),
        ({"retry_attempts": "twice"}, 'retry-attempts"]: expected a whole number'),
        ({"ratelimit_average": "1", "ratelimit_burst": "-1"}, 'ratelimit-average"]: ratelimit-burst: expected a whole'),
        ({"ratelimit_average": "9999999", "ratelimit_burst": "1"}, "requestsPerSecond"),
        ({"circuit_breaker_expression": "often"}, 'circuit-breaker-expression"]: expected NetworkErrorRatio()'),
    ],
)
def test_a_bad_value_names_service_annotation_and_what_is_right(annotations, words):
    found = catalogue_of(annotated(**annotations))

    (message,) = said(found, "error")
    assert message.startswith('Service shop/reviews: metadata.annotations["mesh.traefik.io/') and words in message
    assert policies(found) == {}


def test_a_bad_value_leaves_its_last_good_table_and_the_other_annotations_in_force():
    found = catalogue_of(annotated(retry_attempts="3", traffic_type="http"))

    found.apply(Batch((put(annotated(retry_attempts="none", traffic_type="tcp")),)))
    kept = policies(found)
    found.apply(Batch((put(annotated(traffic_type="tcp")),)))

    assert kept["retries"]["attempts"] == 2 and kept["protocol"]["ports"] == {"80": "tcp"}
    assert "retries" not in policies(found) and said(found, "error") == []


@pytest.mark.parametrize(
    ("annotations", "words"),
    [
        ({"scheme": "https"}, "does not begin TLS to endpoints"),
        ({"ratelimit_average": "5"}, "no limit is in force, as in Traefik Mesh: add ratelimit-burst"),
        ({"ratelimit_burst": "5"}, "no limit is in force, as in Traefik Mesh: add ratelimit-average"),
        ({"retry_attempts": "20"}, "20 tries are more than nodeproxy makes: 11"),
        ({"retry_atempts": "2"}, "has no effect; did you mean retry-attempts?"),
        ({"middlewares": "x"}, "Traefik Mesh has traffic-type, scheme,"),
        ({"traffic_type": "tcp", "retry_attempts": "2"}, "has no effect with traffic-type tcp, as in Traefik Mesh"),
        ({"traffic_type": "udp"}, "it has no port with protocol: UDP"),
        ({"circuit_breaker_expression": "NetworkErrorRatio() < 0.5"}, "NetworkErrorRatio() < 0.5 is not in force"),
    ],
)
def test_what_means_nothing_here_is_a_warning_with_what_to_do(annotations, words):
    found = catalogue_of(annotated(**annotations))

    assert any(words in message for message in said(found, "warning"))
    assert said(found, "error") == []


def test_a_difference_in_meaning_is_told_once_per_service_and_the_same_meaning_not_at_all():
    limits = {"ratelimit_average": "5", "ratelimit_burst": "5"}
    found = catalogue_of(annotated(retry_attempts="2", **limits), annotated("shop/web", traffic_type="http"))

    (message,) = said(found, "warning")
    assert message.startswith("Service shop/reviews: metadata.annotations: ") and "docs/traefik-mesh.md" in message
    assert "by calling workload and node" in message and "retryBudget" in message


def test_annotations_are_narrower_than_defaults_and_wider_than_a_table_for_the_service():
    annotations = annotated(retry_attempts="4")
    defaults = (
        policy_map(_default="retries: {attempts: 9, backoff: {base: 10ms}}"),
        own_policy_map(_default="retries: {attempts: 8}"),
    )
    operator = policy_map(
        _default="retries: {attempts: 9, backoff: {base: 10ms}}", reviews__shop="retries: {attempts: 1}"
    )

    over_defaults = policies(catalogue_of(annotations, *defaults))["retries"]
    under_operator = policies(catalogue_of(annotations, operator))["retries"]
    under_owner = policies(catalogue_of(annotations, own_policy_map(reviews="retries: {attempts: 0}")))["retries"]

    assert (over_defaults["attempts"], over_defaults["backoff"]) == (3, {"base": "10ms"})
    assert (under_operator["attempts"], under_operator["retryOn"]) == (1, ["connect-failure"])
    assert under_owner["attempts"] == 0


def test_each_value_has_its_annotation_as_origin():
    found = catalogue_of(annotated(retry_attempts="3", traffic_type="http"))

    written = found.policies.written_for("shop/reviews")
    views = policies_in_force(policies(found), written)
    fields = {(view.name, field.field): field for view in views for field in view.fields}

    attempts = fields["retries", "attempts"]
    assert (attempts.origin, attempts.key) == ("Service shop/reviews", "mesh.traefik.io/retry-attempts")
    assert fields["protocol", 'ports["80"]'].key == "mesh.traefik.io/traffic-type"
    assert [view.configmap for view in layers_in_force(written)] == ["Service shop/reviews"] * 2


def test_annotations_that_do_not_go_with_wider_tables_are_refused_by_name():
    def one_policy(table):
        if len(table) > 1:
            raise PolicyRefused(("timeouts: not beside retries",))

    layers = PolicyLayers(POLICY_MAP, one_policy)
    layers.apply(put(policy_map(_default="timeouts: {request: 1s}")), put(annotated(retry_attempts="2")))

    (message,) = map(str, layers.problems)
    assert message == (
        'Service shop/reviews: metadata.annotations["mesh.traefik.io/retry-attempts"]: with the wider tables: '
        "timeouts: not beside retries"
    )
    assert layers.policies_of("shop/reviews") == {"timeouts": {"request": "1s"}}
    assert list(layers.refusals_for("shop/reviews")) and not list(layers.refusals_for("shop/web"))


def test_verdicts_are_of_services_that_are_or_were_refused_and_bounded():
    many = [annotated(f"shop/s{number}", retry_attempts="0") for number in range(REPORTED_MOST + 5)]
    found = catalogue_of(annotated(retry_attempts="0"), annotated("shop/good", retry_attempts="2"))
    before = found.policies.verdicts
    found.apply(Batch((put(annotated(retry_attempts="2")),)))
    after = found.policies.verdicts

    assert [(verdict.ref, bool(verdict.problems)) for verdict in before] == [(REF, True)]
    assert [(verdict.ref, verdict.problems, verdict.tables) for verdict in after] == [(REF, (), 1)]
    assert len(catalogue_of(*many).policies.verdicts) == REPORTED_MOST


def test_a_service_without_annotations_any_more_has_no_table_and_no_verdict():
    found = catalogue_of(annotated(retry_attempts="3", scheme="grpc"))

    found.apply(Batch((put(service()),)))
    plain = policies(found)
    found.apply(Batch((put(annotated(retry_attempts="3")),)))
    found.apply(Batch((delete(service()),)))

    assert plain == {} and "shop/reviews" not in found.services
    assert found.policies.verdicts == () and found.policies.policies_of("shop/reviews") == {}


def test_without_the_setting_annotations_are_not_read():
    found = catalogue_of(annotated(retry_attempts="0", traffic_type="tcp"), traefik_annotations=False)

    assert policies(found) == {} and list(found.problems()) == []


def test_what_is_refused_of_the_annotations_is_told_for_that_service_alone():
    found = catalogue_of(annotated(retry_attempts="0"), annotated("shop/web", retry_attempts="2"))

    assert [ref for ref, _ in found.refused_maps("shop/reviews")] == [REF]
    assert list(found.refused_maps("shop/web")) == []
