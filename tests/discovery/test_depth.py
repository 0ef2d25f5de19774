"""Cutting JSON that is nested too deeply."""

import json

import pytest

from discovery.sources.cluster.depth import DEPTH_LIMIT, cut


def nested(depth, inner="{}"):
    return '{"a":' * depth + inner + "}" * depth


@pytest.mark.parametrize("text", ["[]", '{"a": ["[[[{{{", "\\\\", "\\"{"], "b": 1.5}', nested(DEPTH_LIMIT - 1)])
def test_what_is_not_too_deep_stays_as_it_is(text):
    assert cut(text.encode()) == text.encode()


def test_what_is_too_deep_is_null_and_what_stands_behind_it_stays():
    text = f'{{"deep": {nested(9000)}, "more": [{nested(9000)}], "last": "}}"}}'

    found = json.loads(cut(text.encode()))

    assert found["last"] == "}" and str(found["deep"]).count("None") == str(found["more"]).count("None") == 1


@pytest.mark.parametrize("text", ["[" * 5000, '{"a": "', "]" * 5000, nested(100)[:-50], nested(9000) + "]"])
def test_what_is_no_json_stays_none(text):
    with pytest.raises(ValueError, match=r"Expecting|Extra data|Unterminated"):
        json.loads(cut(text.encode()))
