"""Why a request does not match a rule, in words for an operator."""

import pytest

from nodeproxy.mesh.callers import UNKNOWN
from nodeproxy.routing.reasons import reasons
from tests.fakes.routes import FRONTEND, asking, matches


def reason(match, request, caller=UNKNOWN):
    return reasons(matches({"match": match}), request, caller)[0]


@pytest.mark.parametrize(
    ("match", "words"),
    [
        ({"method": "POST"}, "the method is GET, the rule asks for POST"),
        ({"method": ["POST", "PUT"]}, "the method is GET, the rule asks for POST or PUT"),
        ({"path": {"exact": "/b"}}, "the path is /api/x, the rule asks for /b"),
        ({"path": {"prefix": "/b"}}, "the path is /api/x, the rule asks for /b or a path below it"),
        ({"path": {"regex": "/[0-9]"}}, "the path is /api/x, the rule asks for a match of /[0-9]"),
        ({"headers": [{"name": "X-Env", "exact": "a"}]}, "the header x-env is dev, the rule asks for a"),
        ({"headers": [{"name": "X-Env", "present": False}]}, "the header x-env is dev, the rule asks for none"),
        ({"headers": [{"name": "x-b"}]}, "the header x-b is absent, the rule asks for any value"),
        ({"queryParams": [{"name": "v", "exact": "2"}]}, "the query parameter v is 1, the rule asks for 2"),
        ({"cookies": [{"name": "c", "exact": ""}]}, "the cookie c is absent, the rule asks for an empty value"),
        ({"caller": {"namespace": "ops"}}, "the caller is shop/frontend, the rule asks for ops"),
        ([{"method": "PUT"}, {"headers": [{"name": "x-b"}]}], """the method is GET, the rule asks for PUT; \
the header x-b is absent, the rule asks for any value"""),
    ],
)  # fmt: skip
def test_the_first_condition_that_fails_is_named_with_both_sides(match, words):
    assert reason(match, asking("/%61pi/x?v=1", x_env="dev"), FRONTEND) == words


def test_a_rule_that_matches_has_no_reason():
    assert reason([{"method": "PUT"}, {"path": {"prefix": "/api"}}], asking("/api/x")) is None
    assert reasons(matches({}), asking(), UNKNOWN) == [None]


def test_a_path_that_cannot_be_normalised_is_said_to_be_one():
    assert "cannot be normalised safely" in reason({"path": {"prefix": "/"}}, asking("/%2f"))


def test_a_client_that_is_no_pod_is_said_to_be_none():
    assert (
        reason({"caller": {"namespace": "ops"}}, asking()) == "the caller is no pod of this node, the rule asks for ops"
    )


def test_what_a_client_has_sent_is_shown_printable_and_bounded():
    words = reason({"headers": [{"name": "x-env", "exact": "a"}]}, asking(x_env="\xff" + "x" * 5000))

    assert words.isprintable()
    assert len(words) < 200
