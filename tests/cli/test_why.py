"""`nodeproxy why`: every reason of an error has its causes, a command that checks them, and a cure."""

import json
import re

import pytest
from typer.testing import CliRunner

from nodeproxy.cli.commands import COMMANDS, app
from nodeproxy.cli.why import explained
from nodeproxy.mesh.reasons import REASONS
from nodeproxy.policies.chain import CHAIN
from nodeproxy.settings import Settings

FIELDS = re.compile(r"`(\w+)(?:\.(\w+))?")
OUTSIDE = {"curl", "kubectl"}  # the other programs that check something


def asked(*words):
    return CliRunner().invoke(app, ["why", *words])


def test_every_reason_is_explained_and_nothing_else():
    assert set(explained()) == set(REASONS)


@pytest.mark.parametrize("reason", sorted(REASONS))
def test_a_reason_has_a_cause_a_command_and_a_cure(reason):
    text = explained()[reason]

    assert text.why.endswith(".") and text.do.endswith(".")
    program, command, *_ = text.check.split()
    assert program in OUTSIDE or (program == "nodeproxy" and command in COMMANDS)


@pytest.mark.parametrize("reason", sorted(REASONS))
def test_policies_that_are_named_have_the_field_that_is_named(reason):
    policies = {policy.name: policy.settings for policy in CHAIN}
    text = explained()[reason]

    for name, field in FIELDS.findall(f"{text.why} {text.do}"):
        if name in policies and field:
            assert field in {each.alias or key for key, each in policies[name].model_fields.items()}, (name, field)


@pytest.mark.parametrize("reason", sorted(REASONS))
def test_settings_that_are_named_exist(reason):
    words = re.findall(r"`([a-z]+(?:_[a-z0-9]+)+)(?:: [a-z]+)?`", f"{explained()[reason].why} {explained()[reason].do}")
    known = {*Settings.model_fields, *(name for name in words if name.startswith("nodeproxy_"))}

    assert set(words) - known <= {"no_proxy"}


def test_a_reason_is_printed_with_all_that_helps():
    done = asked("no-endpoints")

    assert done.exit_code == 0
    assert done.stdout.startswith(f"no-endpoints: {REASONS['no-endpoints']}\n")
    assert all(f"\n{title}\n    " in done.stdout for title in ("Why", "Check", "Do"))


def test_the_name_of_a_policy_behind_the_reason_is_no_part_of_it():
    assert asked("policy-failed:tenantHeader").stdout == asked("policy-failed").stdout


def test_without_a_reason_all_are_listed():
    listed = asked().stdout.splitlines()

    assert [line for line in listed if not line.startswith(" ")] == sorted(REASONS)


def test_programs_get_json():
    assert set(json.loads(asked("timeout", "--json").stdout)["timeout"]) == {"what", "why", "check", "do"}


def test_an_unknown_reason_is_refused_with_those_that_are_close():
    done = asked("no-endpoint")

    assert done.exit_code == 2
    assert "no-endpoints" in done.stderr
