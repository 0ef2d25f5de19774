"""The regular expressions of both packages mean the same in every Python that we run on."""

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PARSER = re._parser  # as re.compile uses it; there is no public one
SOURCES = sorted(path for package in ("nodeproxy", "discovery") for path in (ROOT / package).rglob("*.py"))


def patterns(path):
    """The expressions that a module compiles when it is loaded, by name."""
    tree = ast.parse(path.read_text())
    if not any(isinstance(each, ast.Attribute) and each.attr == "compile" for each in ast.walk(tree)):
        return {}
    name = ".".join(path.relative_to(ROOT).with_suffix("").parts)
    module = __import__(name, fromlist=["_"])
    return {key: value for key, value in vars(module).items() if isinstance(value, re.Pattern)}


def parsed(pattern):
    text = pattern.pattern.decode("latin-1") if isinstance(pattern.pattern, bytes) else pattern.pattern
    return PARSER.parse(text, pattern.flags & re.VERBOSE)


def repeats_a_group(expression):
    """Whether more than a single class is repeated possessively, somewhere in what `re` parsed."""
    for operation, argument in expression:
        if operation is PARSER.POSSESSIVE_REPEAT and (len(argument[2]) > 1 or repeats_more_than_a_class(argument[2])):
            return True
        if any(repeats_a_group(each) for each in inner(argument)):
            return True
    return False


def repeats_more_than_a_class(expression):
    return expression[0][0] not in (PARSER.IN, PARSER.ANY, PARSER.LITERAL, PARSER.NOT_LITERAL)


def inner(argument):
    """The expressions inside of one operation's argument."""
    if isinstance(argument, PARSER.SubPattern):
        return [argument]
    if isinstance(argument, (tuple, list)):
        return [each for part in argument for each in inner(part)]
    return []


@pytest.mark.parametrize("expression", [rb"(?:ab?c)*+", rb"x(?:(?:a|bc)++)?"])
def test_a_group_that_is_repeated_possessively_is_seen(expression):
    assert repeats_a_group(PARSER.parse(expression.decode()))


@pytest.mark.parametrize("expression", [rb"[ab]*+c++.?+", rb"(?:ab?c)*"])
def test_a_class_that_is_repeated_possessively_is_fine(expression):
    assert not repeats_a_group(PARSER.parse(expression.decode()))


def test_no_group_is_repeated_possessively():
    """Before 3.11.5 (Debian 12 has 3.11.2) such a group matches what it should not: gh-100061, gh-106052."""
    found = {f"{path.stem}.{name}": each for path in SOURCES for name, each in patterns(path).items()}

    assert "grammar.FIELDS" in found
    assert [name for name, each in found.items() if repeats_a_group(parsed(each))] == []
