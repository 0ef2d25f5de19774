"""Which rule a request would take, and why not those above it."""

import pytest

from discovery.observe.explain_request import HEADERS_MOST, NotAsked, request_explained, supposed
from discovery.policies.layers import PolicyLayers
from discovery.services.catalogue import POLICY_MAP
from nodeproxy.mesh.model import Caller, Service
from tests.discovery.kube import own_policy_map, put

CALLERS = Caller("10.1.0.7", "shop", "cart"), Caller("10.1.0.8", "shop", "cart-admin")
TABLE = """\
routes:
- name: internal
  match: {path: {prefix: /admin}, caller: {namespace: shop, workload: cart-admin}}
- match: {headers: [{name: x-user, exact: jason}]}
  split: [{service: v2}]
- name: writes
  match: {method: [POST, PUT]}
  policies: {timeouts: {request: 1s}}
- match: {path: {exact: /old}}
  redirect: {path: {full: /new}, status: 308}
"""


def explained(table=TABLE, **query):
    layers = PolicyLayers(POLICY_MAP)
    layers.apply(put(own_policy_map(reviews=table)))
    asked = supposed({name.rstrip("_"): value for name, value in query.items()}, CALLERS)
    service = Service("shop", "reviews", policies=layers.policies_of("shop/reviews"))
    return request_explained(*asked, service, layers.written_for("shop/reviews"))


def test_each_rule_above_the_one_that_is_taken_has_the_first_condition_that_failed():
    view = explained(path="/old?x=1", method="GET", headers="X-User: bob")

    assert (view.taken, view.becomes) == ("4", "redirect, status 308: path /new")
    assert [each.label for each in view.rules] == ["internal", "2", "writes", "4"]
    first, second, third, taken = (each.failed for each in view.rules)
    assert "/admin" in first and "jason" in second and "POST or PUT" in third
    assert taken == ""


def test_rules_after_the_one_that_is_taken_are_not_looked_at():
    view = explained(headers="x-user: jason\nhost: reviews.shop.mesh")

    assert [(each.label, each.line) for each in view.rules] == [("internal", 2), ("2", 4)]
    assert {each.origin for each in view.rules} == {"ConfigMap shop/policies"}
    assert view.becomes == "split by weight: 1 to v2"


def test_the_policies_of_the_rule_are_shown_as_they_are_merged_and_where_each_value_is_written():
    table = f"timeouts: {{request: 5s, idle: 30s}}\nretries: {{attempts: 2}}\n{TABLE}"
    view = explained(table, method="POST")

    (timeouts,) = view.policies
    fields = {each.field: (each.value, each.key, each.line) for each in timeouts.fields}
    assert (view.taken, timeouts.name) == ("writes", "timeouts")
    assert fields["request"] == ("1s", "reviews, rule writes", None)
    assert fields["idle"] == ("30s", "reviews", 1)


@pytest.mark.parametrize(
    ("table", "method"),
    [(TABLE, "GET"), (f"routes:\n  mode: shadow\n  rules:\n{TABLE.removeprefix('routes:')}", "POST")],
    ids=["a rule without policies", "routes that change nothing"],
)
def test_where_the_rule_has_none_in_force_none_are_shown(table, method):
    assert explained(table, method=method, path="/old").policies == ()


def test_a_request_that_no_rule_takes_goes_to_the_service():
    view = explained(path="/x")

    assert (view.taken, view.becomes) == ("", "no rule matches: it goes to the service itself")
    assert all(each.failed for each in view.rules)


@pytest.mark.parametrize(
    ("caller", "taken", "remark"),
    [
        ("shop/cart-admin", "internal", ""),
        ("shop/cart-admin-7d9f-x2v", "internal", "the pod cart-admin-7d9f-x2v is of the workload cart-admin"),
        ("10.1.0.8", "internal", "the pod at 10.1.0.8 is of shop/cart-admin"),
        ("shop/cart", "", ""),
        ("bank/cart-admin", "", "no pod of this node is of bank/cart-admin"),
        ("", "", "no --from: the caller counts as no pod of this node"),
    ],
)
def test_a_caller_is_named_by_its_workload_its_pod_or_its_address(caller, taken, remark):
    view = explained(path="/admin/x", from_=caller)

    assert (view.taken, view.remark) == (taken, remark)


@pytest.mark.parametrize(
    ("table", "becomes"),
    [
        ("timeouts: {request: 1s}", "the service has no routes: it goes to the service itself"),
        (
            "split: [{service: a, weight: 9}, {labels: {version: v2}}]",
            "the service has no routes: split by weight: 9 ",
        ),
        (
            "routes: {mode: shadow, rules: [{directResponse: {}}]}",
            "it goes to the service itself; the routes are in",
        ),
    ],
)
def test_what_is_not_routed_is_told_where_it_goes(table, becomes):
    assert explained(table, path="/").becomes.startswith(becomes)


@pytest.mark.parametrize(
    ("query", "text"),
    [
        ({"headers": "x-user"}, "'x-user' is no header field; write one as --header 'x-user: jason'"),
        ({"headers": "a: b\n" * (HEADERS_MOST + 1)}, "more than 100 header fields"),
        ({"headers": "a b: c"}, ""),
        ({"headers": "content-length: 5"}, ""),
        ({"path": "x"}, "the path 'x' does not begin with /"),
        ({"path": "/a b"}, ""),
        ({"method": "G T"}, ""),
        ({"from_": "cart"}, "no pod of this node has the address cart; write NAMESPACE/WORKLOAD or NAMESPACE/POD"),
    ],
)
def test_what_cannot_be_a_request_is_refused_with_a_reason(query, text):
    with pytest.raises(NotAsked) as caught:
        explained(**query)

    assert str(caught.value).startswith(text) and str(caught.value)
