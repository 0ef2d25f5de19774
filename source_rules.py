"""Rules for the source of nodeproxy/ that ruff, mypy and import-linter cannot express, and the lengths of modules.

    python source_rules.py            # in `make check`: findings, one a line; then the lengths

The data plane is compiled (build_compiled.py), and these are what mypyc 2.4 makes slow or wrong:

- A coroutine that awaits in a `finally`, in an `except`, or under `suppress`: while it waits, every other coroutine has
  its exception as the current one, so that a bare `raise` there raises this one instead. Await after the `try`.
- `data = data[send(data) :]`: it calls `send` twice.
- One name for errors of two classes in one function: the second has to be an instance of the first's class.
- A coroutine in the module of a pydantic model, which cannot be compiled.

Not found here, and to be avoided too: `data[start:end]` of bytes with `start` behind `end` raises SystemError, a call
of what a property returns (`self.prop(x)`) calls the property alone, `raise … from` sets no cause, and what mypy takes
for unreachable raises (`warn_unreachable` finds most). Tests on both builds find the rest. (An attribute added to an
object from outside its class is found by mypy, attr-defined, and by ruff, B010.)
"""

import ast
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from statistics import median, quantiles
from typing import NamedTuple

from build_compiled import compiled_modules

ROOT = Path(__file__).parent
AWAITS_IN_FINALLY = "awaits in a `finally`: await after the `try`"
AWAITS_IN_EXCEPT = "awaits in an `except`: make the coroutine there, and await it after the `try`"
AWAITS_UNDER_SUPPRESS = "awaits under `suppress`: use `try` and `except`"
SLICES_BY_A_CALL = "slices a name by a call on itself: take the call's result first"
TWO_ERRORS = "has one name for errors of two classes"
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
}


def findings(place: str, source: str, compiled: bool = False) -> Iterator[Finding]:
    """The rules that a module breaks, which is `compiled` or not."""
    tree = ast.parse(source)
    if _has_settings(tree) and any(isinstance(node, ast.AsyncFunctionDef) for node in ast.walk(tree)):
        yield Finding(place, SETTINGS_BESIDE_COROUTINE)
    for name, function in _coroutines(tree):
        if any(_awaits(step) for node in _own(function) if isinstance(node, ast.Try) for step in node.finalbody):
            yield Finding(f"{place}:{name}", AWAITS_IN_FINALLY)
        if compiled:
            yield from (Finding(f"{place}:{name}", rule) for rule in _miscompiled(function))
    if compiled and any(_slices_by_a_call(node) for node in ast.walk(tree)):
        yield Finding(place, SLICES_BY_A_CALL)


def _miscompiled(function: ast.AsyncFunctionDef) -> Iterator[str]:
    """The rules that a coroutine breaks, of those that hold for compiled modules alone."""
    classes: dict[str, set[str]] = {}
    for node in _own(function):
        if isinstance(node, ast.ExceptHandler):
            if any(_awaits(step) for step in node.body):
                yield AWAITS_IN_EXCEPT
            if node.name and node.type:
                classes.setdefault(node.name, set()).add(ast.unparse(node.type))
        elif isinstance(node, ast.With) and _suppresses(node) and any(_awaits(step) for step in node.body):
            yield AWAITS_UNDER_SUPPRESS
    if any(len(each) > 1 for each in classes.values()):
        yield TWO_ERRORS


def _suppresses(node: ast.With) -> bool:
    return any(ast.unparse(item.context_expr).startswith(("suppress(", "contextlib.suppress(")) for item in node.items)


def _slices_by_a_call(node: ast.AST) -> bool:
    if not (isinstance(node, ast.Assign) and isinstance(node.value, ast.Subscript)):
        return False
    same = ast.unparse(node.value.value) in {ast.unparse(target) for target in node.targets}
    return same and any(isinstance(each, ast.Call) for each in ast.walk(node.value.slice))


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
        if not isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef):
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
    compiled = set(compiled_modules(ROOT))
    found = {
        finding
        for path in sorted(ROOT.glob("nodeproxy/**/*.py"))
        for finding in findings(str(path.relative_to(ROOT)), path.read_text(), path in compiled)
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
