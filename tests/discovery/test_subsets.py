"""Subsets in the mesh in force: tables ask for labels, pods have them, endpoints are marked."""

from pathlib import Path

import pytest

from discovery.kubernetes.changes import DeleteObject, PutObject
from discovery.kubernetes.documents import yaml_documents
from discovery.kubernetes.objects import Metadata, Ref
from discovery.kubernetes.pod_labels import SelectedPod
from discovery.services.catalogue import Catalogue, Scope
from discovery.services.subsets import SELECTIONS_MOST
from discovery.sources.folder.folder import Folder
from discovery.sources.source import Batch, Followed, PodSelection, Selected, Unfollowed, Unselected
from tests.discovery.kube import delete, endpoints_of, file_of, labelled_pod, of_pod, policy_map, put, service, slice_of

DOCS = Path(__file__).parents[2] / "docs" / "subsets.md"
SLICE = slice_of("shop/reviews", of_pod("reviews-1", "10.0.0.1"), of_pod("reviews-2", "10.0.0.2"))
ASKS_V2 = policy_map(reviews__shop="split: [{weight: 9}, {labels: {version: v2}}]")
ASKS_V3 = policy_map(reviews__shop="split: [{labels: {version: v3}}]")
ASKS_NOTHING = policy_map(reviews__shop="retries: {attempts: 2}")
V2, V3 = PodSelection("shop", "version=v2"), PodSelection("shop", "version=v3")


def subsets(found, key="shop/reviews"):
    return [each.subsets for each in found.services[key].ports[0].endpoints]


def apply(found, *changes):
    return found.apply(Batch(changes))


def catalogue(*values):
    found = Catalogue(Scope())
    apply(found, *map(put, values))
    return found


def selected(name, *selectors):
    ref = Ref("Pod", "shop", name)
    return PutObject(ref, SelectedPod(metadata=Metadata(name, "shop"), selectors=selectors))


class Requesting:
    """A catalogue whose source has to be asked for pods, and what it is asked for."""

    def __init__(self, *values, on_demand=False):
        self.catalogue = Catalogue(Scope(on_demand=on_demand))
        self.requested = frozenset()
        self.catalogue.subsets.request = self._requests
        self.apply(*map(put, values))

    def _requests(self, selections):
        self.requested = selections

    def apply(self, *changes):
        return apply(self.catalogue, *changes)

    @property
    def reviews(self):
        return self.catalogue.services["shop/reviews"]


def test_an_endpoint_is_in_the_subset_that_its_pod_has_the_labels_of():
    found = catalogue(
        service(), SLICE, ASKS_V2, labelled_pod(version="v1"), labelled_pod("shop/reviews-2", version="v2")
    )

    assert subsets(found) == [(), ("version=v2",)]


def test_labels_that_no_table_asks_for_make_no_subset():
    assert subsets(catalogue(service(), SLICE, ASKS_NOTHING, labelled_pod(version="v2"))) == [(), ()]


def test_all_labels_of_a_set_are_needed():
    table = policy_map(reviews__shop="split: [{labels: {version: v2, tier: web}}]")
    both, one = labelled_pod(tier="web", version="v2", more="x"), labelled_pod("shop/reviews-2", version="v2")

    assert subsets(catalogue(service(), SLICE, table, both, one)) == [("tier=web,version=v2",), ()]


def test_an_endpoint_without_a_pod_is_in_no_subset():
    bare = slice_of("shop/reviews")

    assert subsets(catalogue(service(), bare, ASKS_V2, labelled_pod(version="v2"))) == [()]


def test_a_pod_of_the_same_name_in_a_different_namespace_does_not_count():
    assert subsets(catalogue(service(), SLICE, ASKS_V2, labelled_pod("bank/reviews-1", version="v2"))) == [(), ()]


def test_a_table_of_one_service_asks_for_pods_of_another():
    table = policy_map(ledger__bank="split: [{service: reviews, namespace: shop, labels: {version: v2}}]")
    ledger = service("bank/ledger", clusterIP="10.96.0.11")

    assert subsets(catalogue(service(), ledger, SLICE, table, labelled_pod(version="v2"))) == [("version=v2",), ()]


def test_subsets_are_published_before_the_table_that_names_them():
    table = policy_map(ledger__bank="split: [{service: reviews, namespace: shop, labels: {version: v2}}]")
    found = catalogue(service(), service("bank/ledger", clusterIP="10.96.0.11"), SLICE, labelled_pod(version="v2"))

    assert list(apply(found, put(table))) == ["shop/reviews", "bank/ledger"]


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (put(labelled_pod("shop/reviews-2", version="v2")), [("version=v2",), ("version=v2",)]),
        (put(labelled_pod(version="v1")), [(), ()]),
        (delete(labelled_pod()), [(), ()]),
        (put(ASKS_NOTHING), [(), ()]),
    ],
    ids=["labelled", "relabelled", "gone", "asked no more"],
)
def test_a_change_is_a_difference_of_that_service_alone(change, expected):
    found = catalogue(
        service(), SLICE, ASKS_V2, labelled_pod(version="v2"), service("shop/api", clusterIP="10.96.0.12")
    )

    differences = apply(found, change)

    assert list(differences) == ["shop/reviews"]
    assert subsets(found) == expected


def test_a_folder_has_pods_and_endpoints_that_name_them(tmp_path):
    v1 = endpoints_of("shop/reviews")
    v1["subsets"][0]["addresses"] = [{"ip": "10.0.0.1", "targetRef": {"kind": "Pod", "name": "reviews-1"}}]
    (tmp_path / "shop.yaml").write_bytes(file_of(service(), v1, ASKS_V2, labelled_pod(version="v2")))
    found = Catalogue(Scope())

    found.apply(Folder(tmp_path, Scope().policy_map).read())

    assert list(found.problems()) == []
    assert subsets(found) == [("version=v2",)]


def test_the_example_of_the_documentation_divides_the_endpoints_of_a_service():
    text = DOCS.read_text().partition("```yaml\n")[2].partition("```")[0]
    (example,) = yaml_documents(text.encode())
    pods = slice_of("shop/web", of_pod("web-1", "10.0.0.1"), of_pod("web-2", "10.0.0.2"))
    labelled = [labelled_pod(f"shop/web-{number}", version=f"v{number}") for number in (1, 2)]

    found = catalogue(service("shop/web"), pods, *labelled, example.value)

    assert list(found.problems()) == []
    assert subsets(found, "shop/web") == [("version=v1",), ("version=v2",)]


def test_pods_are_requested_as_long_as_a_table_asks_for_them():
    found = Requesting(service(), SLICE, ASKS_V2)
    first = found.requested

    found.apply(put(ASKS_NOTHING))

    assert first == {V2} and found.requested == frozenset()


def test_pods_are_requested_only_of_services_that_are_followed():
    found = Requesting(service(), SLICE, ASKS_V2, on_demand=True)
    before = found.requested

    found.apply(Followed("shop/reviews"))
    followed = found.requested
    found.apply(Unfollowed("shop/reviews"))

    assert (before, followed, found.requested) == (frozenset(), {V2}, frozenset())


def test_a_service_is_followed_once_the_pods_of_its_subsets_are_known():
    found = Requesting(service(), SLICE, ASKS_V2, on_demand=True)

    found.apply(Followed("shop/reviews"))
    waits = found.reviews.unsubscribed
    found.apply(selected("reviews-2", "version=v2"), Selected(V2))

    assert waits and not found.reviews.unsubscribed
    assert subsets(found.catalogue) == [(), ("version=v2",)]


def test_a_new_table_is_in_force_with_its_pods_and_the_old_one_has_its_subset_until_then():
    found = Requesting(service(), SLICE, ASKS_V2)
    found.apply(selected("reviews-1", "version=v2"), Selected(V2))
    before = found.reviews

    found.apply(put(ASKS_V3))
    meanwhile, requested = found.reviews, found.requested
    found.apply(selected("reviews-2", "version=v3"), Selected(V3))

    assert meanwhile == before and requested == {V2, V3}
    assert found.reviews.policies["split"] == [{"labels": {"version": "v3"}}]
    assert subsets(found.catalogue) == [(), ("version=v3",)] and found.requested == {V3}


def test_a_selection_that_is_asked_for_again_is_waited_for_again():
    found = Requesting(service(), SLICE, ASKS_V2)
    found.apply(selected("reviews-1", "version=v2"), Selected(V2))
    found.apply(put(ASKS_NOTHING))
    found.apply(Unselected(V2), DeleteObject(Ref("Pod", "shop", "reviews-1")))

    found.apply(put(ASKS_V2))

    assert found.catalogue.subsets.waiting
    assert "split" not in found.reviews.policies


def test_beyond_the_limit_the_subsets_in_force_stay_and_a_warning_names_table_and_cure():
    asked = ", ".join(f"{{labels: {{version: v{number:03}}}}}" for number in range(2, 32))
    tables = {f"s{number}__shop": f"split: [{asked.replace(': v', f': {number}v')}]" for number in range(3)}
    services = [service(f"shop/s{number}", clusterIP=f"10.96.1.{number}") for number in range(3)]
    found = Requesting(service(), *services, policy_map(**{"reviews.shop": ASKS_V2["data"]["reviews.shop"]}))
    found.apply(Selected(V2))

    found.apply(put(policy_map(**tables, **ASKS_V2["data"])))

    warnings = [problem for problem in found.catalogue.problems() if problem.severity == "warning"]
    assert len(found.requested) == SELECTIONS_MOST and V2 in found.requested
    assert len(warnings) == 3 * 30 + 1 - SELECTIONS_MOST
    assert warnings[0].path == ("data", "s2.shop")
    assert "make services of the subsets" in warnings[0].message
