"""What the rules of `source_rules.py` find, and what they leave alone."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from source_rules import (
    AWAITS_IN_EXCEPT,
    AWAITS_IN_FINALLY,
    AWAITS_UNDER_SUPPRESS,
    SETTINGS_BESIDE_COROUTINE,
    SLICES_BY_A_CALL,
    TWO_ERRORS,
    Finding,
    findings,
    lengths,
)
from tests.fakes.small_tree import ROOT, write

COROUTINE = "async def serve(): pass\n"


def found(source):
    return list(findings("a.py", source))


AWAITING = (
    "await close()",
    "async with scope: pass",
    "async for each in open: pass",
    "if open: [await e for e in open]",
)


@pytest.mark.parametrize("step", AWAITING)
def test_a_coroutine_that_awaits_in_a_finally_is_found_by_its_qualified_name(step):
    source = f"class Server:\n async def run(self):\n  try:\n   pass\n  finally:\n   {step}\n"

    assert found(source) == [Finding("a.py:Server.run", AWAITS_IN_FINALLY)]


@pytest.mark.parametrize("place", ["try", "except OSError", "else"])
def test_an_await_in_any_other_part_of_a_try_is_no_finding(place):
    parts = {"try": "close()", "except OSError": "close()", "else": "close()", "finally": "close()"}
    parts[place] = "await close()"
    source = "async def run():\n" + "".join(f" {part}:\n  {step}\n" for part, step in parts.items())

    assert found(source) == []


def test_a_function_that_a_finally_defines_does_not_run_there():
    source = "async def run():\n try:\n  pass\n finally:\n  async def close(): await end()\n  register(close)\n"

    assert found(source) == []


@pytest.mark.parametrize("outer", ["class Server:\n class Side", "class Server:\n def Side(self)"])
def test_a_name_has_all_that_is_around_it(outer):
    source = f"{outer}:\n  async def run(self):\n   try: pass\n   finally: await close()\n"

    assert found(source) == [Finding("a.py:Server.Side.run", AWAITS_IN_FINALLY)]


def test_a_function_inside_a_function_is_found_once():
    source = "async def run():\n async def close():\n  try:\n   pass\n  finally:\n   await end()\n"

    assert found(source) == [Finding("a.py:run.close", AWAITS_IN_FINALLY)]


@pytest.mark.parametrize(
    ("rule", "body"),
    [
        (AWAITS_IN_EXCEPT, " try:\n  pass\n except OSError:\n  await close()\n"),
        (AWAITS_UNDER_SUPPRESS, " with suppress(OSError):\n  await close()\n"),
        (AWAITS_UNDER_SUPPRESS, " with contextlib.suppress(OSError):\n  await close()\n"),
        (TWO_ERRORS, " try:\n  pass\n except OSError as e:\n  x = e\n except ValueError as e:\n  x = e\n"),
    ],
)
def test_what_mypyc_miscompiles_is_found_in_a_compiled_module_alone(rule, body):
    source = f"async def run():\n{body}"

    assert list(findings("a.py", source, True)) == [Finding("a.py:run", rule)]
    assert found(source) == []


@pytest.mark.parametrize(
    ("line", "finds"),
    [("data = data[send(data):]", True), ("data = data[sent:]", False), ("rest = data[send(data):]", False)],
)
def test_a_slice_of_a_name_by_a_call_on_itself_is_found(line, finds):
    assert list(findings("a.py", line, True)) == ([Finding("a.py", SLICES_BY_A_CALL)] if finds else [])


@pytest.mark.parametrize("body", ["except OSError as e:\n  x = e\n", "except OSError:\n  pass\n else:\n  await a()\n"])
def test_what_mypyc_compiles_right_is_no_finding(body):
    assert list(findings("a.py", f"async def run():\n try:\n  await close()\n {body}", True)) == []


@pytest.mark.parametrize(
    "settings",
    [
        "from pydantic import Field\n",
        "import pydantic.fields\n",
        "from pydantic_settings import BaseSettings\n",
        "from nodeproxy.policies.block import Block\nclass RetrySettings(Block): pass\n",
        "from nodeproxy.policies.block import PolicySettings\nclass RetrySettings(PolicySettings): pass\n",
    ],
)
def test_settings_beside_a_coroutine_are_found_and_alone_they_are_not(settings):
    assert found(settings + COROUTINE) == [Finding("a.py", SETTINGS_BESIDE_COROUTINE)]
    assert found(settings) == []


def test_a_module_that_only_takes_settings_is_no_finding():
    assert found("from nodeproxy.policies.block import Block\ndef wrap(settings: Block): pass\n" + COROUTINE) == []


def test_the_lengths_of_modules_are_reported_as_median_and_p90():
    assert lengths("mesh", range(1, 102)) == "mesh: 101 modules, median 51 lines, p90 91, longest 101"


def reported(root, **modules):
    """The findings about a tree with these modules of the package, and the status."""
    write(root, {f"nodeproxy/{name.replace('__', '/')}.py": source for name, source in modules.items()})
    write(root, {"discovery/one.py": "", "discovery/two.py": ""})
    for name in ("source_rules.py", "build_compiled.py"):
        shutil.copy(ROOT / name, root / name)
    done = subprocess.run([sys.executable, "source_rules.py"], cwd=root, capture_output=True, text=True, check=False)
    assert done.stderr == ""
    return [line for line in done.stdout.splitlines() if " modules, median " not in line], done.returncode


def test_what_breaks_a_rule_is_reported_where_it_is_compiled_and_an_exception_that_is_none(tmp_path):
    broken = "async def run():\n try:\n  pass\n except OSError:\n  await close()\n"

    assert reported(tmp_path, io__a=broken, cli__a=broken) == (
        [
            f"nodeproxy/io/a.py:run: {AWAITS_IN_EXCEPT}",
            f"nodeproxy/dns/server.py:_serve_datagrams: no longer {AWAITS_IN_FINALLY};"
            " remove the exception from source_rules.py",
        ],
        1,
    )


def test_a_known_exception_is_no_finding_and_missing_it_is_one(tmp_path):
    known = "async def _serve_datagrams():\n try:\n  pass\n finally:\n  await close()\n"

    assert reported(tmp_path, dns__server=known) == ([], 0)
    lines, status = reported(tmp_path, dns__server="")
    assert len(lines) == status == 1


def test_the_source_keeps_the_rules_and_every_exception_is_still_one():
    script = Path(__file__).parents[1] / "source_rules.py"

    done = subprocess.run([sys.executable, script], capture_output=True, text=True, check=False)

    assert done.returncode == 0, done.stdout
    assert done.stdout.startswith("nodeproxy: ")
