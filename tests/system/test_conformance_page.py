"""The page on conformance: each row has a verdict, and what is kept has a test that exists."""

import ast
import re
from functools import cache
from pathlib import Path

import pytest

from nodeproxy.settings import Settings

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "conformance.md").read_text()
TEST = re.compile(r"`(tests/[a-z0-9_/]+\.py)::(test_[a-z0-9_]+)`")
ROWS = [
    [cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]]
    for line in PAGE.partition("\n## RFC 9110")[2].splitlines()
    if line.startswith("| ") and not line.startswith("| section |")
]


@cache
def functions(path):
    names = ast.walk(ast.parse((ROOT / path).read_text()))
    return {node.name for node in names if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)}


def test_every_specification_is_there():
    titles = re.findall(r"^## (.*)$", PAGE, re.MULTILINE)

    assert [title.partition(":")[0] for title in titles[1:]] == [
        "RFC 9110",
        "RFC 9111",
        "RFC 9112",
        "RFC 9113",
        "RFC 7541",
        "W3C Trace Context",
        "gRPC",
    ]
    assert len(ROWS) > 350


@pytest.mark.parametrize("row", ROWS, ids=lambda row: f"{row[0]} {row[1][:40]}")
def test_every_row_has_a_verdict_and_a_reason_or_a_test(row):
    section, requirement, verdict, why = row

    assert section and requirement and why
    assert verdict in ("kept", "not applicable", "deliberately not", "not kept")
    assert verdict != "kept" or TEST.search(why)


def test_every_test_that_is_named_exists():
    named = TEST.findall(PAGE)

    assert [f"{path}::{name}" for path, name in named if name not in functions(path)] == []
    assert len(named) == PAGE.count("::test_")


def test_the_defaults_on_the_page_are_the_ones_in_force():
    for name in ("via", "trace_sample_ratio"):
        value = Settings.model_fields[name].default

        assert (
            f"| `{name}` | `{value:g}` |" in PAGE if isinstance(value, float) else f"| `{name}` | `{value}` |" in PAGE
        )
