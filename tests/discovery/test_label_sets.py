"""Which label sets of pods a policy table asks for."""

import pytest

from discovery.policies.label_sets import TABLES_MOST, LabelSet, LabelSets
from nodeproxy.policies.routes import RoutesSettings
from nodeproxy.policies.split import SplitSettings

V2 = {"version": "v2"}
KNOWN = {"routes": RoutesSettings, "split": SplitSettings}


def settings(table):
    return {name: KNOWN[name].model_validate(value, strict=False) for name, value in table.items()}


@pytest.mark.parametrize(
    "table",
    [
        {"split": {"targets": [{"weight": 9}, {"labels": V2}]}},
        {"split": [{"labels": V2}]},
        {"routes": [{"split": [{"labels": V2}]}]},
        {"routes": {"rules": [{"canary": {"labels": V2, "requestsPerSecond": 1}, "split": [{}]}]}},
        {"routes": [{"policies": {"split": [{"labels": V2}]}}]},
    ],
    ids=["split", "bare split", "rule", "canary", "policy of a rule"],
)
def test_labels_are_found_wherever_a_destination_is(table):
    assert LabelSets(settings).of(table, "shop/web") == {LabelSet("shop/web", "version=v2")}


def test_labels_are_of_the_service_that_is_named_beside_them():
    targets = [
        {"service": "api", "labels": V2},
        {"service": "api", "namespace": "bank", "labels": {"b": "2", "a": "1"}},
    ]

    found = LabelSets().of({"split": targets}, "shop/web")

    assert found == {LabelSet("shop/api", "version=v2"), LabelSet("bank/api", "a=1,b=2")}


def test_a_table_of_several_services_means_the_own_labels_of_each():
    table, sets = {"split": [{"labels": V2}]}, LabelSets()

    assert sets.of(table, "shop/web") == {LabelSet("shop/web", "version=v2")}
    assert sets.of(table, "shop/api") == {LabelSet("shop/api", "version=v2")}


def test_a_table_without_labels_asks_for_nothing():
    assert LabelSets().of({"split": [{"service": "api"}], "retries": {"attempts": 2}}, "shop/web") == frozenset()


def test_tables_that_have_changed_are_not_remembered_for_ever():
    sets = LabelSets()

    found = [sets.of({"split": [{"labels": V2}]}, "shop/web") for _ in range(3)]
    found += [sets.of({"retries": {"attempts": 2}}, "shop/web") for _ in range(TABLES_MOST)]

    assert found == [{LabelSet("shop/web", "version=v2")}] * 3 + [frozenset()] * TABLES_MOST
    assert len(sets._read) <= TABLES_MOST
