"""Reviews of policy maps, and the nodes' own verdicts on the same maps."""

import json
from functools import partial

import pytest

from discovery.admission.review import PROBLEMS_MOST, NotAReview, reviewed
from discovery.policies.layers import PolicyLayers
from discovery.services.catalogue import POLICY_MAP
from discovery.sources.cluster.events import message_of
from nodeproxy.policies.registry import BUILT_IN
from nodeproxy.policies.table import settings_of
from tests.discovery.admission.reviews import response_to, review_of
from tests.discovery.kube import own_policy_map, policy_map, put
from tests.fakes.own_policies import STAMP

BAD = "retries: {attempts: many}"


def test_a_good_map_is_allowed_without_a_word():
    assert response_to(policy_map(_default="retries: {attempts: 3}")) == {"uid": "u1", "allowed": True}


def test_policies_of_ones_own_are_reviewed_as_the_nodes_read_them():
    validate = partial(settings_of, registry=BUILT_IN.with_own((STAMP,)))
    good, bad = (review_of(policy_map(_default=f"stamp: {{value: {value}}}")) for value in ("x", "[1]"))
    unknown, known = reviewed(good, POLICY_MAP), reviewed(good, POLICY_MAP, validate)
    refused = reviewed(bad, POLICY_MAP, validate)

    assert [json.loads(each)["response"]["allowed"] for each in (unknown, known, refused)] == [False, True, False]
    assert "stamp.value" in json.loads(refused)["response"]["status"]["message"]


@pytest.mark.parametrize("operation", ["CREATE", "UPDATE"])
def test_a_bad_table_is_refused_with_its_key_field_and_value(operation):
    response = response_to(policy_map(reviews__shop=BAD), operation)

    assert (response["uid"], response["allowed"], response["status"]["code"]) == ("u1", False, 422)
    assert response["status"]["message"].startswith('data["reviews.shop"], line 1: retries.attempts: ')
    assert response["status"]["message"].endswith("got 'many'")


@pytest.mark.parametrize(
    "value",
    [
        policy_map(_default="retires: {}"),
        policy_map(_default="timeouts: {request: 5}", noway="retries: {attempts: 3"),
        own_policy_map(web=BAD, web__elsewhere="{}"),
        own_policy_map(**{f"s{number}": "{}" for number in range(501)}),
    ],
)
def test_the_words_are_those_of_the_event_that_a_node_writes(value):
    layers = PolicyLayers(POLICY_MAP)
    layers.apply(put(value))

    lines = response_to(value)["status"]["message"].split("\n")

    problems = [line.strip() for line in lines if not line.endswith(" problems")]
    assert message_of(layers.verdicts[0]).endswith("; ".join(problems))


def test_of_very_many_problems_the_first_are_named_and_the_others_counted():
    message = response_to(policy_map(**{f"s{number}__shop": BAD for number in range(30)}))["status"]["message"]

    assert message.startswith("30 problems\n") and message.endswith("\n  and 10 more")
    assert len(message.split("\n")) == PROBLEMS_MOST + 2


def test_a_map_that_was_bad_before_is_refused_until_all_of_it_is_good():
    old = policy_map(reviews__shop=BAD, ratings__shop="{}")
    new = policy_map(reviews__shop=BAD, ratings__shop="retries: {attempts: 3}")

    assert response_to(new, "UPDATE", oldObject=old)["allowed"] is False


def test_a_deletion_and_every_other_configmap_are_allowed():
    deleted = policy_map(_default=BAD)

    assert response_to(deleted, "DELETE", object=None, oldObject=deleted)["allowed"] is True
    assert response_to(own_policy_map(label=None, web=BAD)) == {"uid": "u1", "allowed": True}


def test_a_label_of_another_value_is_allowed_with_a_warning_that_nothing_is_in_force():
    response = response_to(own_policy_map(label="yes", web=BAD))

    assert response["allowed"] is True
    assert response["warnings"] == [
        "mesh.nodeproxy.dev/policy: expected \"true\", got 'yes'; this ConfigMap is not a policy map"
    ]


def test_a_map_that_gets_its_name_later_is_reviewed_as_any_other():
    value = own_policy_map(web=BAD)
    value["metadata"]["generateName"] = f"{value['metadata'].pop('name')}-"

    assert response_to(value)["allowed"] is False


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{}",
        b"\xff",
        b'{"a":' * 100_000,
        review_of(policy_map()).replace(b"k8s.io/v1", b"k8s.io/v1beta1", 1),
        review_of(policy_map(), "CREATE", object={"metadata": {}, "data": {"a": 5}}),
    ],
)
def test_what_is_no_review_is_told_so(body):
    with pytest.raises(NotAReview):
        reviewed(body, POLICY_MAP)


def test_the_answer_is_a_review_of_the_same_version():
    answer = json.loads(reviewed(review_of(policy_map()), POLICY_MAP))

    assert (answer["apiVersion"], answer["kind"]) == ("admission.k8s.io/v1", "AdmissionReview")


def test_tables_that_do_not_fit_each_other_are_refused_in_the_mesh_wide_map_and_a_warning_in_others():
    path, grpc = "healthCheck: {path: /x}", "healthCheck: {grpc: {}}"

    mesh = response_to(policy_map(_default=path, web__shop=grpc))
    own = response_to(own_policy_map(_default=path, web=grpc))

    assert mesh["status"]["message"].startswith(
        'data["web.shop"], line 1: with the wider tables: healthCheck: write path or grpc'
    )
    assert own["allowed"] is True
    assert own["warnings"][0].startswith("data.web, line 1: with the wider tables: healthCheck: write path or grpc")
