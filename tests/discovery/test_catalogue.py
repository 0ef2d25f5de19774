from hypothesis import given
from hypothesis.strategies import booleans, lists, sampled_from, tuples

from discovery.problem import Origin, Problem
from discovery.services.address_claims import AddressClaims, Claim
from discovery.services.catalogue import Catalogue, Scope
from discovery.sources.source import Batch
from nodeproxy.mesh.address import HEADLESS_RANGE, headless_address
from tests.discovery.kube import delete, endpoint, own_policy_map, policy_map, put, service, slice_of


def catalogue_of(*values):
    found = Catalogue(Scope())
    found.apply(Batch(tuple(put(value) for value in values)))
    return found


def apply(found, *changes):
    return found.apply(Batch(changes))


def endpoints(found, key="shop/reviews"):
    return [each.address for each in found.services[key].ports[0].endpoints]


def test_slices_and_services_meet_whichever_comes_first():
    for values in ([service(), slice_of()], [slice_of(), service()]):
        assert endpoints(catalogue_of(*values)) == ["10.0.0.1"]


def test_a_changed_slice_gives_a_difference_for_its_service_alone():
    found = catalogue_of(service(), slice_of(), service("shop/ratings", clusterIP="10.96.0.11"))
    ratings = found.services["shop/ratings"]

    differences = apply(found, put(slice_of("shop/reviews", endpoint("10.0.0.9"))))

    assert list(differences) == ["shop/reviews"]
    assert endpoints(found) == ["10.0.0.9"]
    assert found.services["shop/ratings"] is ratings


def test_a_slice_that_moves_to_another_service_leaves_the_first():
    found = catalogue_of(service(), slice_of(name="x"), service("shop/ratings", clusterIP="10.96.0.11"))

    differences = apply(found, put(slice_of("shop/ratings", name="x")))

    assert list(differences) == ["shop/ratings", "shop/reviews"]
    assert (endpoints(found), endpoints(found, "shop/ratings")) == ([], ["10.0.0.1"])


def test_what_does_not_change_the_mesh_is_no_difference():
    found = catalogue_of(service(), slice_of(name="a"))

    assert apply(found, put(slice_of(name="b")), put(service(selector={"app": "new"})), put(slice_of(label=""))) == {}


def test_a_service_that_is_gone_is_a_difference_of_none():
    found = catalogue_of(service(), slice_of())

    assert apply(found, delete(service()), delete(slice_of())) == {"shop/reviews": None}
    assert found.services == {}


def test_deleting_what_is_not_there_is_no_difference():
    assert apply(catalogue_of(), delete(service()), delete(slice_of()), delete(policy_map())) == {}


def test_a_table_reaches_the_services_it_is_for():
    other = service("bank/ledger", clusterIP="10.96.0.11")
    found = catalogue_of(service(), other, policy_map(_default__shop="retries: {attempts: 4}"))

    differences = apply(found, put(policy_map(_default__shop="retries: {attempts: 5}")))

    assert list(differences) == ["shop/reviews"]
    assert found.services["shop/reviews"].policies == {"retries": {"attempts": 5}}
    assert found.services["bank/ledger"].policies == {}


def test_the_table_of_the_mesh_reaches_every_service():
    found = catalogue_of(service(), service("bank/ledger", clusterIP="10.96.0.11"))

    differences = apply(found, put(policy_map(_default="retries: {attempts: 5}")))

    assert list(differences) == ["bank/ledger", "shop/reviews"]


def test_a_table_of_a_namespaces_own_map_reaches_its_services_and_no_others():
    other = service("bank/reviews", clusterIP="10.96.0.11")
    found = catalogue_of(service(), other, own_policy_map(_default="retries: {attempts: 4}"))

    differences = apply(found, put(own_policy_map(reviews="retries: {attempts: 5}")))

    assert list(differences) == ["shop/reviews"]
    assert found.services["shop/reviews"].policies == {"retries": {"attempts": 5}}
    assert found.services["bank/reviews"].policies == {}


def test_of_many_versions_of_a_map_that_come_together_only_the_last_is_read():
    found = catalogue_of(service())
    versions = [put(policy_map(reviews__shop=f"retries: {{attempts: {number}}}")) for number in ("x", 3, 4)]

    found.apply(Batch((*versions, put(policy_map(reviews__shop="no table")))))

    assert found.services["shop/reviews"].policies == {}
    assert len(list(found.problems())) == 1


def test_deleting_the_config_map_takes_its_tables_away():
    found = catalogue_of(service(), policy_map(reviews__shop="retries: {attempts: 5}"))

    assert apply(found, delete(policy_map()))["shop/reviews"].policies == {}


def test_another_config_map_is_none_of_our_business():
    value = policy_map(_default="retries: {attempts: 5}")
    value["metadata"]["name"] = "application"

    assert catalogue_of(service(), value).services["shop/reviews"].policies == {}


def test_the_service_that_sorts_first_keeps_an_address_that_two_would_have():
    found = catalogue_of(service("shop/reviews"))

    differences = apply(found, put(service("bank/ledger")))

    assert {key: each.virtual_address for key, each in differences.items()} == {
        "bank/ledger": "127.77.0.10",
        "shop/reviews": "",
    }
    assert "bank/ledger has the virtual address 127.77.0.10 too" in str(*found.problems())


def test_the_older_service_keeps_an_address_whatever_the_newer_one_is_called():
    older, newer = service("shop/reviews"), service("aaa/thief")
    older["metadata"]["creationTimestamp"] = "2026-01-01T00:00:00Z"
    newer["metadata"]["creationTimestamp"] = "2026-01-01T00:00:01Z"
    found = catalogue_of(older)

    differences = apply(found, put(newer))

    assert {key: each.virtual_address for key, each in differences.items()} == {"aaa/thief": ""}
    assert "shop/reviews has the virtual address 127.77.0.10 too and came first" in str(*found.problems())


def test_an_address_goes_back_when_the_other_service_is_gone():
    found = catalogue_of(service("bank/ledger"), service("shop/reviews"))

    differences = apply(found, delete(service("bank/ledger")))

    assert differences["shop/reviews"].virtual_address == "127.77.0.10"
    assert list(found.problems()) == []


def test_a_service_that_becomes_an_alias_of_a_name_outside_loses_its_endpoints_and_moves():
    found = catalogue_of(service(), slice_of())

    apply(found, put(service(type="ExternalName", externalName="bank.example", clusterIP="")))

    assert endpoints(found) == []
    assert found.services["shop/reviews"].virtual_address == headless_address("shop/reviews", HEADLESS_RANGE)


def test_an_endpoint_that_is_an_address_of_the_mesh_is_left_out_and_said():
    found = catalogue_of(service(), slice_of("shop/reviews", endpoint("10.0.0.1"), endpoint("127.77.0.10")))

    assert endpoints(found) == ["10.0.0.1"]
    (problem,) = found.problems()
    assert "127.77.0.10 is an address of the mesh itself" in str(problem)


def test_a_headless_service_has_an_address_too():
    found = catalogue_of(service(clusterIP="None"))

    assert found.services["shop/reviews"].virtual_address == headless_address("shop/reviews", HEADLESS_RANGE)


def test_problems_are_those_of_the_source_the_tables_and_the_services():
    found = Catalogue(Scope())
    own = Problem("is unwell", Origin("a.yaml"))

    found.apply(
        Batch(
            (put(policy_map(x="")), put(service(internalTrafficPolicy="Local"), Origin("b.yaml", 2))),
            (own,),
            in_sync=False,
        )
    )

    assert [problem.message[:9] for problem in found.problems()] == ["is unwell", "expected ", "Local, bu"]


CLAIMS = lists(tuples(sampled_from("abcd"), sampled_from(["", "1", "2"]), sampled_from(["", "5", "6"])), max_size=12)


@given(claims=CLAIMS)
def test_whatever_came_before_the_first_claimant_owns_and_every_change_is_published(claims):
    found = AddressClaims()
    wanted = {}
    owners = {key: found.owner(key) for key in "abcd"}

    for key, address, made in claims:
        touched = found.claim(key, Claim(address, made))
        wanted[key] = address, made
        for each in "abcd":
            now = found.owner(each)
            assert now == owners[each] or each in touched
            owners[each] = now

    for key, (address, _) in wanted.items():
        rivals = [(made or "9", each) for each, (other, made) in wanted.items() if other == address]
        assert found.owner(key) == ((address, min(rivals)[1]) if address else ("", key))


KEYS = ["shop/reviews", "shop/ratings"]
CHANGES = lists(
    tuples(sampled_from(KEYS), sampled_from(["service", "slice", "table"]), booleans(), booleans()), max_size=10
)


def change_from(key, kind, present, variant):
    name = key.partition("/")[2]
    if kind == "service":
        value = service(key, clusterIP="10.96.0.10" if variant else "10.96.0.11")
    elif kind == "slice":
        value = slice_of(key, endpoint("10.0.0.1" if variant else "10.0.0.2"))
    else:
        value = policy_map(**{f"{name}__shop": f"retries: {{attempts: {int(variant)}}}"})
    return put(value) if present else delete(value)


@given(drawn=CHANGES)
def test_changes_one_by_one_lead_where_the_last_of_each_object_leads_at_once(drawn):
    step_by_step, at_once = Catalogue(Scope()), Catalogue(Scope())
    last, seen = {}, {}

    for each in drawn:
        change = change_from(*each)
        last[change.ref] = change
        seen.update(step_by_step.apply(Batch((change,))))
    at_once.apply(Batch(tuple(last.values())))

    assert step_by_step.services == at_once.services
    assert {key: value for key, value in seen.items() if value is not None} == at_once.services
