"""docs/protocols.md: its tables are those of the code, and what it says beside them holds."""

from pathlib import Path

import pytest

from discovery.kubernetes.services import ServicePort
from discovery.services.protocol_names import NUMBERS, WORDS
from discovery.services.protocol_selection import protocol_of
from discovery.services.protocols_page import with_tables

PAGE = Path(__file__).parents[2] / "docs" / "protocols.md"


def test_the_page_is_not_stale():
    assert PAGE.read_text() == with_tables(PAGE.read_text()), "docs/protocols.md is stale; run `make docs`"


def test_every_word_and_number_is_on_the_page():
    text = PAGE.read_text()

    assert all(f"`{word}`" in text for word in WORDS)
    assert all(f"| {number} | `{known.protocol}` | {known.name} |" in text for number, known in NUMBERS.items())


def test_a_page_without_its_markers_is_refused():
    with pytest.raises(ValueError, match="no `<!-- words:begin -->`"):
        with_tables("# Ports\n")


@pytest.mark.parametrize(
    ("port", "protocol"),
    [
        (ServicePort(80, "x", None, "http-alt"), "http"),
        (ServicePort(80, "x", None, "grpc-web"), "http2"),
        (ServicePort(80, "http", None, "unknown"), "tcp"),
        (ServicePort(80, "http2", None, "example.com/ours"), "http2"),
        (ServicePort(80, "mysql-primary"), "tcp"),
        (ServicePort(80, "primary-mysql"), "detect"),
        (ServicePort(4444, "galera"), "detect"),
    ],
)
def test_its_examples_hold(port, protocol):
    assert protocol_of(port, {}) == protocol
