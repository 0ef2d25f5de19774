"""Which custom policies a process takes: those that the settings name, if they are policies."""

import re
from importlib.metadata import EntryPoint
from io import StringIO

import pytest
from rich.console import Console

from discovery.observe.explain import policies_in_force
from discovery.services.catalogue import Catalogue, Scope
from discovery.sources.source import Batch
from nodeproxy.cli.reference.command import json_schema, markdown, show
from nodeproxy.policies.own import GROUP, OwnPolicyUnusable, own_policies
from nodeproxy.policies.registry import BUILT_IN
from nodeproxy.policies.table import PolicyRefused, settings_of
from tests.discovery.kube import policy_map, put, service
from tests.fakes.own_policies import CRASHING, STAMP

FAKES = "tests.fakes.own_policies"


def installed(*points):
    """What importlib finds where packages have these entry points."""
    return lambda: [EntryPoint(name, value, GROUP) for name, value in points]


def test_a_policy_that_is_named_is_loaded_and_no_other_is_even_imported():
    there = installed(("stamp", f"{FAKES}:STAMP"), ("broken", "there.is.no.such.module:POLICY"))

    assert own_policies(("stamp",), there) == (STAMP,)


def test_they_stand_directly_inside_of_timeouts_in_the_order_of_the_setting():
    one, two = (STAMP, CRASHING)
    registry = BUILT_IN.with_own((one, two))

    names = [policy.name for policy in registry.chain]

    at = names.index("timeouts")
    assert registry.chain[at + 1 : at + 3] == (one, two)
    assert [policy for policy in registry.chain if policy not in (one, two)] == list(BUILT_IN.chain)
    assert registry.own == ("stamp", "stamp")


@pytest.mark.parametrize(
    ("names", "points", "words"),
    [
        (("stamp",), (), "no installed package has it (installed: none); install it where nodeproxy is"),
        (("stmp",), (("stamp", f"{FAKES}:STAMP"),), "no installed package has it (installed: stamp)"),
        (("retries",), (("retries", f"{FAKES}:STAMP"),), "is the name of a policy of nodeproxy; give yours another"),
        (("stamp", "stamp"), (("stamp", f"{FAKES}:STAMP"),), "is named twice"),
        (("stamp",), (("stamp", "a.b:C"),), "a.b:C of the package a.b:C cannot be imported: ModuleNotFoundError"),
        (("stamp",), (("stamp", f"{FAKES}:NOTHING"),), "cannot be imported: AttributeError"),
        (("stamp",), (("stamp", f"{FAKES}:TEXT"),), "is a str; it must be a nodeproxy.policies.block.Policy"),
        (("stamp",), (("stamp", f"{FAKES}:OTHER_NAME"),), "is the policy other; the entry point must have that name"),
        (("stamp",), (("stamp", f"{FAKES}:NO_SETTINGS"),), "has settings that are no class of"),
        (("stamp",), (("stamp", f"{FAKES}:DOES_NOTHING"),), "would do nothing; it must have one of on_request"),
        (("stamp",), (("stamp", f"{FAKES}:DATAGRAMS"),), "touches datagrams"),
        (("stamp",), (("stamp", f"{FAKES}:NO_DEFAULTS"),), "settings that cannot be used: its defaults: Validation"),
        (("stamp",), (("stamp", f"{FAKES}:NO_SCHEMA"),), "settings that cannot be used: its schema: Pydantic"),
        (("stamp",), (("stamp", f"{FAKES}:STAMP"), ("stamp", f"{FAKES}:TEXT")), "several packages have it:"),
    ],
)
def test_what_cannot_be_used_is_refused_with_the_reason(names, points, words):
    with pytest.raises(OwnPolicyUnusable, match=re.escape(words)) as caught:
        own_policies(names, installed(*points))

    assert str(caught.value).startswith(f"own_policies: {names[0]}: ")
    assert "\n" not in str(caught.value)


def test_its_settings_are_validated_like_ours():
    registry = BUILT_IN.with_own((STAMP,))

    with pytest.raises(PolicyRefused, match=r"^stamp\.value: expected a valid string, got 3$"):
        settings_of({"stamp": {"value": 3}}, registry)
    assert settings_of({"stamp": {}}, registry)["stamp"].value == "stamped"


def test_a_validator_with_a_bug_refuses_the_table_and_ends_no_process():
    registry = BUILT_IN.with_own((CRASHING,))

    with pytest.raises(PolicyRefused, match=r"^stamp: its settings cannot be checked: KeyError: 'colour'$"):
        settings_of({"stamp": {}}, registry)
    assert "stamp" not in settings_of({}, registry)


def test_the_reference_and_the_schema_have_it():
    registry = BUILT_IN.with_own((STAMP,))
    console = Console(record=True, file=StringIO(), width=200)

    show("stamp", console, registry)

    assert "Sets a field of every response." in console.export_text()
    assert '"stamp"' in json_schema("", registry) and '"stamp"' not in json_schema("")
    assert '"default": "stamped"' in json_schema("stamp.value", registry)
    assert "`nodeproxy_policy_decisions_total" in markdown("rateLimit", registry)


def test_explain_shows_it_in_its_place():
    views = policies_in_force({"stamp": {}}, (), (), BUILT_IN.with_own((STAMP,)))

    names = [view.name for view in views]

    assert names.index("stamp") == names.index("timeouts") + 1


def test_a_table_for_a_service_may_have_it_where_the_registry_does():
    known, unknown = Catalogue(Scope(registry=BUILT_IN.with_own((STAMP,)))), Catalogue(Scope())
    objects = service("shop/web"), policy_map(web__shop="stamp: {value: x}")

    for catalogue in (known, unknown):
        catalogue.apply(Batch(tuple(map(put, objects))))

    assert known.services["shop/web"].policies == {"stamp": {"value": "x"}}
    assert unknown.services["shop/web"].policies == {}
    assert not list(known.problems())
