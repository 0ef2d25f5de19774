"""Patterns of operators: RE2's, which no text and no pattern can hang."""

import subprocess
import sys

import pytest

from nodeproxy.routing.patterns import (
    GROUPS_MOST,
    PLACES_MOST,
    PatternRefused,
    TooManyPlaces,
    full_match,
    substitution,
)


def test_a_pattern_is_of_the_whole_text():
    matches = full_match("/v[0-9]+")

    assert matches(b"/v12")
    assert not matches(b"/v12/x")
    assert not matches(b"x/v12")


@pytest.mark.parametrize("pattern", ["(a+)+$", "(a|aa)+", "(.*a){20}", "(?:a?){30}a{30}"])
def test_a_pattern_that_hangs_other_engines_comes_to_an_end(pattern):
    assert not full_match(pattern)(b"a" * 16_000 + b"!")


@pytest.mark.parametrize(
    ("pattern", "reason"),
    [
        ("(a", "missing )"),
        ("[", "missing ]"),
        ("(?=x)", "invalid perl operator"),
        (r"(.)\1", "invalid escape sequence"),
        (r"\pL{200}", "pattern too large"),
        ("x{1001}", "invalid repetition size"),
    ],
)
def test_a_refused_pattern_is_named_with_what_is_wrong_and_the_engine_logs_nothing_itself(pattern, reason, capfd):
    with pytest.raises(PatternRefused) as refused:
        full_match(pattern)

    assert repr(pattern) in str(refused.value)
    assert reason in str(refused.value)
    assert capfd.readouterr().err == ""


def test_a_value_that_is_no_text_matches_nothing_that_asks_for_characters():
    assert not full_match(".")(b"\xff")


def test_a_substitution_replaces_all_places_and_knows_groups():
    assert substitution("/v([0-9]+)", r"/version-\1")(b"/v1/x/v22") == b"/version-1/x/version-22"
    assert substitution("b", r"<\0>")(b"abc") == b"a<b>c"
    assert substitution("(x)|b", r"[\1]")(b"abc") == b"a[]c"
    assert substitution("z", "y")(b"abc") == b"abc"


@pytest.mark.parametrize("replacement", [r"\2", "\\\\", "\\x", "a?b", "a#b", "a b", "é", "\\1" * (GROUPS_MOST + 1)])
def test_a_replacement_that_makes_no_path_is_refused(replacement):
    with pytest.raises(PatternRefused):
        substitution("(a)", replacement)


def test_a_replacement_may_refer_to_groups_as_often_as_the_bound_says():
    assert substitution("(a)", r"\1" * GROUPS_MOST)(b"a") == b"a" * GROUPS_MOST


def test_the_places_that_are_replaced_are_bounded():
    replaced = substitution("a", "b")

    assert replaced(b"a" * PLACES_MOST) == b"b" * PLACES_MOST
    with pytest.raises(TooManyPlaces):
        replaced(b"a" * (PLACES_MOST + 1))


def test_a_table_without_patterns_does_not_load_the_engine():
    program = (
        "import sys; from nodeproxy.policies.routes import RoutesSettings;"
        "from nodeproxy.policies.compiled_routes import compiled;"
        "compiled(RoutesSettings.model_validate({'rules': ({'match': {'path': {'prefix': '/a'}}},)}));"
        "print('re2' in sys.modules)"
    )

    ran = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)

    assert ran.stdout == "False\n"
