"""Every reason that the code can report has its plain words."""

import importlib
import pkgutil
import re
from pathlib import Path

import pytest

import nodeproxy
from nodeproxy.errors import ProxyError
from nodeproxy.mesh.reasons import REASONS, reason_anchor, reason_words

SOURCES = Path(nodeproxy.__file__).parent
# What a response or a connection is given as its reason without an error: a field line, a constant, an assignment.
LITERAL = re.compile(r"""x-mesh-error: ([a-z][a-z-]+)|\bREASON = "([a-z-]+)"|\.?\breason = "([a-z][a-z-]*)\"""")


def kinds(kind: type[ProxyError]) -> list[type[ProxyError]]:
    return [kind, *(each for sub in kind.__subclasses__() for each in kinds(sub))]


def every_reason() -> set[str]:
    for module in pkgutil.walk_packages(nodeproxy.__path__, "nodeproxy."):
        if not module.name.endswith("__main__"):
            importlib.import_module(module.name)
    of_errors = {kind.reason for kind in kinds(ProxyError) if kind.__module__.startswith("nodeproxy.")}
    texts = (path.read_text() for path in SOURCES.rglob("*.py"))
    found = {next(filter(None, groups)) for text in texts for groups in LITERAL.findall(text)}
    return {reason.partition(":")[0] for reason in of_errors} | found


def test_every_reason_of_the_code_is_in_plain_words_and_no_other():
    assert set(REASONS) == every_reason()


@pytest.mark.parametrize("reason", sorted(REASONS))
def test_the_words_are_one_sentence(reason):
    words = REASONS[reason]

    assert words[0].isupper() and words.endswith(".")
    assert not re.search(r"\. [A-Z]", words)


def test_a_policy_of_ones_own_has_the_words_of_all_of_them():
    assert reason_words("policy-failed:tenant", 500) == REASONS["policy-failed"]
    assert reason_anchor("policy-failed:tenant") == "troubleshooting#policy-failed"


def test_a_response_of_an_endpoint_is_described_by_its_status():
    assert "status 502" in reason_words("", 502)
    assert reason_anchor("") == ""
