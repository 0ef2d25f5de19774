"""Rules for the source of nodeproxy/ that ruff, mypy and import-linter cannot express, and the lengths of modules.

    python source_rules.py            # in `make check`: findings, one a line; then the lengths

The data plane is to be compiled, and these are what a compiler makes slow or wrong: a coroutine that awaits in a
`finally`, and a coroutine in the module of a pydantic model. (An attribute added to an object from outside its class is
found by mypy, attr-defined, and by ruff, B010.)
"""

import ast
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from statistics import median, quantiles
from typing import NamedTuple

ROOT = Path(__file__).parent
AWAITS_IN_FINALLY = "awaits in a `finally`: await after the `try`, or in an `except`"
SETTINGS_BESIDE_COROUTINE = "defines a coroutine beside pydantic's models: settings and handler belong in two modules"
SETTINGS = {
    "pydantic",
    "pydantic_settings",
    "Block",
    "PolicySettings",
}  # two packages, and the bases of policy settings


class Finding(NamedTuple):
    """A rule broken in a function, or in a whole module."""

    place: str
    rule: str


EXCEPTIONS = {  # known, each with its reason; an entry that is not found any more is itself reported
    Finding("nodeproxy/dns/server.py:_serve_datagrams", AWAITS_IN_FINALLY): "trio's lane, not the hot one",
    Finding("nodeproxy/downstream/http1.py:Http1Connection._exchange", AWAITS_IN_FINALLY): (
        "ends the exchange's child tasks however it ends; only exchanges that have some await"
    ),
}


def findings(place: str, source: str) -> Iterator[Finding]:
    """The rules that a module breaks."""
    tree = ast.parse(source)
    if _has_settings(tree) and any(isinstance(node, ast.AsyncFunctionDef) for node in ast.walk(tree)):
        yield Finding(place, SETTINGS_BESIDE_COROUTINE)
    for name, function in _coroutines(tree):
        if any(_awaits(step) for node in _own(function) if isinstance(node, ast.Try) for step in node.finalbody):
            yield Finding(f"{place}:{name}", AWAITS_IN_FINALLY)


def _has_settings(tree: ast.Module) -> bool:
    """Whether the module imports pydantic, or a class of it has the base of all policy settings."""
    for node in ast.walk(tree):
        names = []
        if isinstance(node, ast.Import):
            names = [each.name for each in node.names]
        elif isinstance(node, ast.ImportFrom):
            names = [node.module or ""]
        elif isinstance(node, ast.ClassDef):
            names = [ast.unparse(base) for base in node.bases]
        if SETTINGS & {name.partition(".")[0] for name in names}:
            return True
    return False


def _coroutines(node: ast.AST, prefix: str = "") -> Iterator[tuple[str, ast.AsyncFunctionDef]]:
    """All of them, with their qualified names."""
    for child in ast.iter_child_nodes(node):
        name = prefix
        if isinstance(child, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            name = f"{prefix}{child.name}."
        if isinstance(child, ast.AsyncFunctionDef):
            yield f"{prefix}{child.name}", child
        yield from _coroutines(child, name)


def _own(node: ast.AST) -> Iterator[ast.AST]:
    """What a function executes itself: functions that it defines are left out."""
    for child in ast.iter_child_nodes(node):
        if not isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
            yield child
            yield from _own(child)


def _awaits(step: ast.stmt) -> bool:
    if isinstance(step, ast.FunctionDef | ast.AsyncFunctionDef):
        return False
    return any(isinstance(node, ast.Await | ast.AsyncFor | ast.AsyncWith) for node in (step, *_own(step)))


def lengths(package: str, lines: Iterable[int]) -> str:
    """One line on how long the modules of a package are."""
    counted = sorted(lines)
    p90 = quantiles(counted, n=10, method="inclusive")[-1]
    return (
        f"{package}: {len(counted)} modules, median {median(counted):.0f} lines, p90 {p90:.0f}, longest {counted[-1]}"
    )


def main() -> int:
    """Report; 1 if a rule is broken that is no known exception, or an exception is not needed any more."""
    found = {
        finding
        for path in sorted(ROOT.glob("nodeproxy/**/*.py"))
        for finding in findings(str(path.relative_to(ROOT)), path.read_text())
    }
    for place, rule in sorted(found - EXCEPTIONS.keys()):
        print(f"{place}: {rule}")
    for place, rule in sorted(EXCEPTIONS.keys() - found):
        print(f"{place}: no longer {rule}; remove the exception from {Path(__file__).name}")
    for package in ("nodeproxy", "discovery"):
        print(lengths(package, (len(path.read_text().splitlines()) for path in ROOT.glob(f"{package}/**/*.py"))))
    return int(found != EXCEPTIONS.keys())


if __name__ == "__main__":
    sys.exit(main())
