"""What `nodeproxy policies` reads from settings: types, defaults and bounds as an operator writes them."""

import json
from typing import Annotated, Literal

import pytest
from pydantic import Field
from typer.testing import CliRunner

from nodeproxy.cli.commands import app
from nodeproxy.cli.reference.command import NoSuchPlace, find, json_schema, markdown
from nodeproxy.cli.reference.fields import described
from nodeproxy.cli.reference.page import page
from nodeproxy.cli.reference.schema import DURATION, policy_schema, table_schema
from nodeproxy.policies.block import Block, Duration, Policy, PolicySettings
from nodeproxy.policies.chain import CHAIN


class Part(Block):
    """What a part is."""

    wait_s: Annotated[Duration, Field(gt=0)] = 1.5


class ExampleSettings(PolicySettings):
    """The first paragraph
    in two lines.

    The second.
    """

    limit_s: Annotated[Duration, Field(ge=0.1, le=90)]
    """How long."""
    pause_s: Duration | None = 0.25
    waits_s: tuple[Duration, ...] = (0.0, 60.0)
    ratio: Annotated[float, Field(ge=0, le=1, strict=False)] = 1.0
    kinds: tuple[Literal["a", "b"], ...] = ("a",)
    part: Part = Part()
    parts: Annotated[tuple[Part, ...], Field(min_length=1, max_length=3)] = (Part(),)
    by_name: dict[str, Part] = {}  # noqa: RUF012  pydantic copies it
    perhaps: Part | None = None
    rate: Annotated[float, Field(gt=0, le=1e6, strict=False)] = 0.5
    either: int | str = ""
    """One | the other."""


EXAMPLE = Policy(
    "example", ExampleSettings, outcomes={"rejected": "answered with 429"}, figures={"limit": "the limit in force"}
)
(DESCRIBED,) = described([EXAMPLE])
FIELDS = {field.path: field for field in DESCRIBED.everything()}


@pytest.mark.parametrize(
    ("path", "kind", "default", "bounds"),
    [
        ("limit", "duration", "", "at least 100ms, at most 1m30s"),
        ("pause", "duration", "250ms", ""),
        ("waits", "list of duration", "['0', 1m]", ""),
        ("ratio", "number", "1", "0 to 1"),
        ("rate", "number", "0.5", "more than 0, at most 1000000"),
        ("kinds", "list of words", "[a]", "each one of a, b"),
        ("part", "object", "", ""),
        ("part.wait", "duration", "1.5s", "more than 0"),
        ("parts", "list of object", "[{wait: 1.5s}]", "1 to 3 items"),
        ("parts.wait", "duration", "1.5s", "more than 0"),
        ("byName", "map to object", "{}", ""),
        ("byName.wait", "duration", "1.5s", "more than 0"),
        ("perhaps", "object", "none", ""),
        ("perhaps.wait", "duration", "1.5s", "more than 0"),
        ("either", "integer or string", "''", ""),
        ("mode", "enforce or shadow", "enforce", ""),
    ],
)
def test_a_field_is_described_as_it_is_written(path, kind, default, bounds):
    field = FIELDS[f"example.{path}"]

    assert (field.type, field.default, field.bounds) == (kind, default, bounds)


def test_what_must_be_written_is_marked():
    assert [field.path for field in FIELDS.values() if field.required] == ["example.limit"]


def test_meanings_come_from_the_docstrings_of_fields_else_of_parts():
    assert DESCRIBED.meaning == ("The first paragraph in two lines.", "The second.")
    assert FIELDS["example.limit"].text == "How long. At least 100ms, at most 1m30s."
    assert {FIELDS[f"example.{name}"].meaning for name in ("part", "parts", "byName", "perhaps")} == {
        ("What a part is.",)
    }
    assert FIELDS["example.ratio"].meaning == ()


def test_a_page_has_fields_decisions_figures_and_the_example():
    text = page(DESCRIBED, "kind: ConfigMap\n")

    assert "| `limit` | duration | required | How long. At least 100ms, at most 1m30s. |\n" in text
    assert "| `either` | integer or string | `''` | One \\| the other. |\n" in text
    assert "| `rejected` | answered with 429 |\n" in text
    assert "| `limit` | the limit in force |\n" in text
    assert text.endswith("```yaml\nkind: ConfigMap\n```\n")
    assert "## Example" not in page(DESCRIBED, "")


def test_a_schema_has_durations_as_texts_with_their_bounds_in_words():
    schema = policy_schema(EXAMPLE)

    limit, pause = schema["properties"]["limit"], schema["properties"]["pause"]
    assert limit["pattern"] == DURATION
    assert limit["description"] == "How long. At least 100ms. At most 1m30s."
    assert {"ge", "le"}.isdisjoint(limit)
    assert pause["default"] == "250ms"
    assert schema["required"] == ["limit"]
    assert schema["additionalProperties"] is False
    assert set(schema["$defs"]) == {"Part"}


def test_the_schema_of_a_table_has_every_policy_and_nothing_else():
    schema = table_schema([*CHAIN, EXAMPLE])

    assert set(schema["properties"]) == {policy.name for policy in CHAIN} | {"example"}
    assert schema["additionalProperties"] is False
    assert all(choices["anyOf"][1] == {"type": "null"} for choices in schema["properties"].values())


def test_the_schema_of_a_field_is_complete_by_itself():
    schema = json.loads(json_schema("retries.backoff"))

    assert schema["$ref"] == "#/$defs/Backoff"
    assert set(schema["$defs"]) == {"Backoff"}
    assert schema["$defs"]["Backoff"]["properties"]["base"]["default"] == "25ms"


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("retrys", "retrys: no such policy; did you mean retries?"),
        ("zz", "zz: no such policy; there are "),
        ("retries.bakoff", "retries.bakoff: no such field; did you mean backoff?"),
        ("retries.backoff.zz", "retries.backoff.zz: no such field; there are base, max"),
        ("retries.backoff.base.zz", "retries.backoff.base.zz: no such field"),
    ],
)
def test_a_name_that_there_is_not_is_told_with_those_that_there_are(name, told):
    with pytest.raises(NoSuchPlace) as caught:
        find(described(CHAIN), name)

    assert str(caught.value).startswith(told)


def test_a_field_has_no_page():
    with pytest.raises(NoSuchPlace, match="only a policy has a page: retries"):
        markdown("retries.backoff")


def command(*words):
    return CliRunner().invoke(app, ["policies", *words], env={"COLUMNS": "100"})


def test_the_command_lists_all_policies_in_their_order():
    done = command()

    listed = [line.split()[0] for line in done.stdout.splitlines() if line[:2].strip()]
    assert [name for name in listed if name in {policy.name for policy in CHAIN}] == [policy.name for policy in CHAIN]


def test_the_command_explains_a_policy_and_a_field():
    policy, field = command("retries").stdout, command("retries.backoff").stdout

    assert "retries  Whether a failed try is sent again, when, and how often." in policy
    assert "  attempts  <integer>  default 2" in policy
    assert "EXAMPLE\n" in policy and "kind: ConfigMap" in policy
    assert "  base  <duration>  default 25ms" in field and "attempts" not in field


def test_the_command_shows_decisions_with_their_meaning():
    (counted,) = [line for line in command("rateLimit").stdout.splitlines() if line.split()[:1] == ["rejected"]]

    assert "answered with 429" in counted


def test_the_command_prints_schema_and_page():
    assert json.loads(command("--json").stdout)["title"] == "policy table"
    assert json.loads(command("retries", "--json").stdout)["title"] == "retries"
    assert command("retries", "--markdown").stdout == markdown("retries")
    assert "[`retries`](retries.md)" in command("--markdown").stdout


def test_the_command_refuses_a_name_that_there_is_not():
    done = command("retrys")

    assert (done.exit_code, done.stderr) == (2, "retrys: no such policy; did you mean retries?\n")
