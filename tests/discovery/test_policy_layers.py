"""Tables of several policy maps together: which table wins, which count, and what stays in force when a merge fails."""

from itertools import permutations

import pytest
from hypothesis import given
from hypothesis.strategies import booleans, lists, sampled_from, tuples

from discovery.kubernetes.objects import Ref
from discovery.policies.layers import PolicyLayers
from discovery.policies.own_maps import MAPS_NAMED, MAPS_PER_NAMESPACE
from discovery.services.catalogue import POLICY_MAP
from nodeproxy.policies.merge import merged
from nodeproxy.policies.table import PolicyRefused, settings_of
from tests.discovery.kube import delete, own_policy_map, policy_map, put

OWN = Ref("ConfigMap", "shop", "policies")


def layers_of(*values, validate=settings_of):
    found = PolicyLayers(POLICY_MAP, validate)
    for value in values:
        found.apply(put(value))
    return found


def policies(found, key="shop/reviews"):
    return found.policies_of(key)


def problems(found):
    return [str(problem) for problem in found.problems]


def accepted(found):
    return {verdict.ref: not verdict.problems for verdict in found.verdicts}


def attempts(number):
    return f"retries: {{attempts: {number}}}"


def refuse_two_policies(table):
    """As policies whose settings do not go together would be."""
    settings_of(table)
    if len(table) > 1:
        raise PolicyRefused(("timeouts: not beside retries",))


def test_the_narrower_table_wins_field_by_field_however_deep():
    found = layers_of(
        policy_map(
            _default="timeouts: {request: 10s, idle: 60s}\nretries: {attempts: 1, backoff: {base: 10ms, max: 1s}}",
            _default__shop="timeouts: {request: 5s}\nretries: {backoff: {max: 100ms}}",
            reviews__shop=attempts(4),
        )
    )

    assert policies(found) == {
        "timeouts": {"request": "5s", "idle": "60s"},
        "retries": {"attempts": 4, "backoff": {"base": "10ms", "max": "100ms"}},
    }
    assert problems(found) == []


def test_what_is_said_of_one_service_wins_and_at_the_same_width_the_namespaces_own_word():
    mesh = {"_default": attempts(1), "_default__shop": attempts(2), "reviews__shop": attempts(4)}
    own = {"_default": attempts(3), "reviews": attempts(5)}
    widths = [
        (mesh, "_default"),
        (mesh, "_default__shop"),
        (own, "_default"),
        (mesh, "reviews__shop"),
        (own, "reviews"),
    ]

    won = []
    for end in range(1, len(widths) + 1):
        said = widths[:end]
        found = layers_of(
            policy_map(**{key: mesh[key] for tables, key in said if tables is mesh}),
            own_policy_map(**{key: own[key] for tables, key in said if tables is own}),
        )
        won.append(policies(found)["retries"]["attempts"])

    assert won == [1, 2, 3, 4, 5]


def test_a_service_reads_no_table_of_another():
    found = layers_of(policy_map(reviews__shop=attempts(4)), own_policy_map(ratings=attempts(5), _default=attempts(3)))

    assert policies(found, "bank/reviews") == {}
    assert policies(found, "shop/ratings") == {"retries": {"attempts": 5}}


def test_null_says_nothing_and_a_list_is_replaced_as_a_whole():
    found = layers_of(
        policy_map(_default="timeouts: {request: 5s}\nretries: {retryOn: [reset, 5xx]}"),
        own_policy_map(reviews="timeouts:\nretries: {retryOn: [timeout]}"),
    )

    assert policies(found) == {"timeouts": {"request": "5s"}, "retries": {"retryOn": ["timeout"]}}


def test_a_key_for_another_namespace_has_no_effect_and_the_other_keys_have():
    found = layers_of(own_policy_map(reviews__bank=attempts(4), reviews=attempts(5)))

    assert policies(found, "bank/reviews") == {}
    assert policies(found) == {"retries": {"attempts": 5}}
    assert problems(found)[0].startswith(
        'ConfigMap shop/policies: data["reviews.bank"]: a policy map of namespace shop is for services of shop alone'
    )


def test_of_two_keys_for_one_service_in_one_map_the_first_counts():
    found = layers_of(own_policy_map(reviews__shop=attempts(5), reviews=attempts(4)))

    assert policies(found) == {"retries": {"attempts": 4}}
    assert problems(found) == [
        'ConfigMap shop/policies: data["reviews.shop"]: means the same as the key reviews, which counts; remove one'
    ]


def test_of_two_maps_with_one_key_the_first_by_name_counts_whichever_comes_first():
    maps = [
        own_policy_map("shop/a", reviews=attempts(1)),
        own_policy_map("shop/b", reviews__shop=attempts(2), ratings=attempts(3)),
        own_policy_map("shop/c", ratings=attempts(4)),
    ]
    for order in permutations(maps):
        found = layers_of(*order)

        assert policies(found) == {"retries": {"attempts": 1}}
        assert policies(found, "shop/ratings") == {"retries": {"attempts": 3}}
        assert problems(found) == [
            'ConfigMap shop/b: data["reviews.shop"]: is also in ConfigMap shop/a, which sorts first and counts; '
            "remove one",
            "ConfigMap shop/c: data.ratings: is also in ConfigMap shop/b, which sorts first and counts; remove one",
        ]
        assert [verdict.ref.name for verdict in found.verdicts if verdict.problems] == ["b", "c"]


def test_a_key_whose_first_map_is_refused_stays_that_maps():
    found = layers_of(own_policy_map("shop/a", reviews=attempts(1)), own_policy_map("shop/b", reviews=attempts(2)))

    found.apply(put(own_policy_map("shop/a", reviews=attempts("no"))))

    assert policies(found) == {"retries": {"attempts": 1}}


def test_the_next_map_takes_a_key_over_when_the_first_gives_it_up():
    found = layers_of(own_policy_map("shop/a", reviews=attempts(1)), own_policy_map("shop/b", reviews=attempts(2)))

    touched = found.apply(delete(own_policy_map("shop/a")))

    assert touched == {"reviews.shop"}
    assert policies(found) == {"retries": {"attempts": 2}}
    assert accepted(found) == {Ref("ConfigMap", "shop", "b"): True}


@pytest.mark.parametrize("label", [None, "false", "True", ""])
def test_a_map_that_loses_its_label_rules_nothing_any_more(label):
    found = layers_of(own_policy_map(reviews=attempts(1)))

    found.apply(put(own_policy_map(label=label, reviews=attempts(1))))

    assert (policies(found), found.verdicts) == ({}, ())


def test_the_mesh_wide_map_stays_what_it_is_with_the_label_of_the_others():
    value = policy_map(reviews__shop=attempts(1))
    value["metadata"]["labels"] = {"mesh.nodeproxy.dev/policy": "true"}

    assert policies(layers_of(value)) == {"retries": {"attempts": 1}}


def test_more_maps_than_a_namespace_may_have_do_not_count_and_say_so():
    names = [f"shop/m{number:02}" for number in range(MAPS_PER_NAMESPACE + 1)]
    found = layers_of(*(own_policy_map(name, **{name[5:]: attempts(1)}) for name in reversed(names)))

    last = policies(found, f"shop/{names[-1][5:]}")
    found.apply(delete(own_policy_map(names[0])))

    assert last == {}
    assert policies(found, f"shop/{names[-1][5:]}") == {"retries": {"attempts": 1}}
    assert problems(found) == []


def test_of_maps_without_end_in_a_namespace_a_bounded_number_is_told():
    names = [f"shop/m{number:03}" for number in range(100)]

    found = layers_of(*(own_policy_map(name, **{name[5:]: attempts(1)}) for name in names))

    assert [verdict.ref.name for verdict in found.verdicts] == [name[5:] for name in names[:MAPS_NAMED]]
    assert sum(not verdict.problems for verdict in found.verdicts) == MAPS_PER_NAMESPACE


def test_maps_that_do_not_count_are_not_even_read_until_they_do():
    names, read = [f"shop/m{number:03}" for number in range(100)], []
    maps = [own_policy_map(name, **{name[5:]: attempts(1)}) for name in names]

    found = layers_of(*maps, validate=read.append)
    at_first = len(read)
    found.apply(delete(maps[0]))

    assert at_first == 2 * MAPS_PER_NAMESPACE and len(read) == at_first + 2  # alone, and joined with the wider ones
    assert policies(found, f"shop/{names[MAPS_PER_NAMESPACE][5:]}") == {"retries": {"attempts": 1}}


def test_a_bad_map_leaves_its_last_good_tables_and_harms_no_other():
    found = layers_of(
        policy_map(_default="timeouts: {idle: 5s}"),
        own_policy_map(reviews=attempts(1)),
        own_policy_map("bank/policies", ledger=attempts(2)),
    )

    found.apply(put(own_policy_map(reviews=attempts("no"))))
    found.apply(put(policy_map(_default="timeouts: {idle: 6s}")))
    found.apply(put(own_policy_map("bank/policies", ledger=attempts(3))))

    assert policies(found) == {"timeouts": {"idle": "6s"}, "retries": {"attempts": 1}}
    assert policies(found, "bank/ledger") == {"timeouts": {"idle": "6s"}, "retries": {"attempts": 3}}
    assert accepted(found) == {POLICY_MAP: True, OWN: False, Ref("ConfigMap", "bank", "policies"): True}


def test_a_table_that_does_not_fit_the_wider_ones_is_refused_and_never_was_in_force():
    found = layers_of(
        policy_map(_default=attempts(1)), own_policy_map(reviews="timeouts: {idle: 5s}"), validate=refuse_two_policies
    )

    assert policies(found) == {"retries": {"attempts": 1}}
    assert problems(found) == [
        "ConfigMap shop/policies: data.reviews: with the wider tables: timeouts: not beside retries"
    ]


def test_a_table_that_does_not_fit_leaves_its_last_version_that_did_while_the_wider_ones_change():
    found = layers_of(
        policy_map(_default=attempts(1)), own_policy_map(reviews=attempts(2)), validate=refuse_two_policies
    )

    found.apply(put(own_policy_map(reviews="timeouts: {idle: 5s}")))
    found.apply(put(policy_map(_default="retries: {attempts: 1, methods: [GET]}")))

    assert policies(found) == {"retries": {"attempts": 2, "methods": ["GET"]}}
    assert accepted(found) == {POLICY_MAP: True, OWN: False}


def test_where_the_last_version_that_did_no_longer_fits_either_the_wider_tables_of_that_time_stay():
    found = layers_of(
        policy_map(_default="retries: {attempts: 1, methods: [GET]}"),
        own_policy_map(reviews=attempts(2)),
        validate=refuse_two_policies,
    )
    found.apply(put(own_policy_map(reviews="timeouts: {idle: 5s}")))

    found.apply(put(policy_map(_default="protocol: {}")))

    assert policies(found) == {"retries": {"attempts": 2, "methods": ["GET"]}}
    assert policies(found, "shop/ratings") == {"protocol": {}}
    assert accepted(found) == {POLICY_MAP: True, OWN: False}


def test_a_wider_table_that_spoils_a_narrower_one_leaves_what_was_in_force_there_and_is_in_force_elsewhere():
    found = layers_of(own_policy_map(reviews=attempts(2)), validate=refuse_two_policies)

    found.apply(put(policy_map(_default="timeouts: {idle: 5s}")))

    assert policies(found) == {"retries": {"attempts": 2}}
    assert policies(found, "shop/ratings") == {"timeouts": {"idle": "5s"}}
    assert accepted(found) == {POLICY_MAP: True, OWN: False}


def test_what_did_not_fit_is_forgotten_with_its_table():
    found = layers_of(own_policy_map(reviews=attempts(2)), validate=refuse_two_policies)
    found.apply(put(policy_map(_default="timeouts: {idle: 5s}")))

    found.apply(put(own_policy_map()))

    assert policies(found) == {"timeouts": {"idle": "5s"}}
    assert problems(found) == []


def test_a_verdict_is_of_one_version_and_stays_the_same_while_no_map_changes():
    value = own_policy_map(reviews=attempts(1))
    value["metadata"] |= {"uid": "u-1", "resourceVersion": "7"}

    found = layers_of(value)

    (verdict,) = found.verdicts
    assert (verdict.ref, verdict.version, verdict.tables, verdict.problems) == (OWN, ("u-1", "7"), 1, ())
    assert found.verdicts is found.verdicts


def test_a_table_that_no_service_reads_is_told():
    found = layers_of(
        policy_map(_default="", _default__shop="", reviews__shop="", ratings__shop="", _default__bank=""),
        own_policy_map(_default="", reviews="", revews=""),
    )

    assert [problem.path[1] for problem in found.without_target(["shop/reviews"])] == [
        "_default.bank",
        "ratings.shop",
        "revews",
    ]


NAMES = ["shop/a", "shop/b", "bank/a", "mesh"]
KEYS = ["_default", "_default__shop", "reviews", "reviews__shop", "ratings"]
CHANGES = lists(tuples(sampled_from(NAMES), sampled_from(KEYS), sampled_from([1, 2, "no"]), booleans()), max_size=12)


def value_of(name, tables):
    return policy_map(**tables) if name == "mesh" else own_policy_map(name, **tables)


@given(drawn=CHANGES)
def test_changes_one_by_one_lead_where_the_last_of_each_map_leads_at_once(drawn):
    step_by_step, maps = PolicyLayers(POLICY_MAP), {}
    for name, key, number, present in drawn:
        tables = maps.setdefault(name, {})
        tables.pop(key, None)
        if present and number != "no":  # a refused table depends on earlier versions, which this test does not cover
            tables[key] = attempts(number)
        step_by_step.apply(put(value_of(name, tables)))
    at_once = layers_of(*(value_of(name, tables) for name, tables in sorted(maps.items())))

    for service in ("shop/reviews", "shop/ratings", "shop/other", "bank/reviews", "bank/ratings"):
        assert policies(step_by_step, service) == policies(at_once, service)
    assert step_by_step.verdicts == at_once.verdicts


def test_what_a_service_has_is_told_with_the_places_where_it_is_written():
    found = layers_of(
        policy_map(_default=attempts(1), _default__bank=attempts(2), reviews__shop=attempts(4)),
        own_policy_map(reviews=attempts(5), ratings=attempts(6)),
    )

    assert [(each.ref, each.key, each.scope) for each in found.written_for("shop/reviews")] == [
        (POLICY_MAP, "_default", "_default"),
        (POLICY_MAP, "reviews.shop", "reviews.shop"),
        (OWN, "reviews", "reviews.shop"),
    ]
    assert [each.key for each in found.written_for("bank/reviews")] == ["_default", "_default.bank"]


def test_what_stays_in_force_when_a_merge_fails_is_told_as_it_was_written():
    found = layers_of(own_policy_map(reviews=attempts(2)), validate=refuse_two_policies)

    found.apply(put(policy_map(_default="timeouts: {idle: 5s}")))

    assert [(each.ref, each.table) for each in found.written_for("shop/reviews")] == [
        (OWN, {"retries": {"attempts": 2}})
    ]


def test_only_what_would_apply_to_a_service_counts_among_its_refusals():
    found = layers_of(
        policy_map(_default=attempts("no"), ratings__shop=attempts("no"), _default__bank=attempts("no"), odd="x"),
        own_policy_map("shop/a", reviews=attempts("no")),
        own_policy_map("shop/b", reviews=attempts(1), ratings=attempts("no")),
        own_policy_map("shop/c", **{f"s{number}": "" for number in range(501)}),
        own_policy_map("bank/a", reviews=attempts("no")),
    )

    refused = [
        (ref.name, problem.path[1:], problem.message[:14]) for ref, problem in found.refusals_for("shop/reviews")
    ]

    assert refused == [
        ("nodeproxy-policy", ("_default",), "retries.attemp"),
        ("a", ("reviews",), "retries.attemp"),
        ("b", ("reviews",), "is also in Con"),
        ("c", (), "is larger than"),
    ]


@given(drawn=CHANGES)
def test_the_tables_that_are_told_are_those_that_the_policies_are_merged_from(drawn):
    found, maps = PolicyLayers(POLICY_MAP), {}
    for name, key, number, present in drawn:
        tables = maps.setdefault(name, {})
        tables.pop(key, None)
        if present:
            tables[key] = attempts(number)
        found.apply(put(value_of(name, tables)))

        for service in ("shop/reviews", "shop/ratings", "bank/reviews"):
            together = {}
            for written in found.written_for(service):
                together = merged(together, written.table)
            assert policies(found, service) == together


@given(drawn=CHANGES)
def test_every_scope_whose_policies_change_is_told(drawn):
    found, maps = PolicyLayers(POLICY_MAP), {}
    services = ("shop/reviews", "shop/ratings", "bank/reviews")
    for name, key, number, present in drawn:
        tables = maps.setdefault(name, {})
        tables.pop(key, None)
        if present:
            tables[key] = attempts(number)
        before = {service: policies(found, service) for service in services}

        touched = found.apply(put(value_of(name, tables)))

        for service in services:
            namespace, _, own = service.partition("/")
            around = {"_default", f"_default.{namespace}", f"{own}.{namespace}"}
            assert policies(found, service) == before[service] or around & touched
