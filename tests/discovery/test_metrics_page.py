"""docs/metrics.md: its table is that of the code."""

from pathlib import Path

import pytest

from discovery.observe.metrics_page import with_families

PAGE = Path(__file__).parents[2] / "docs" / "metrics.md"


def test_the_page_is_not_stale():
    assert PAGE.read_text() == with_families(PAGE.read_text()), "docs/metrics.md is stale; run `make docs`"


def test_a_page_without_its_markers_is_refused():
    with pytest.raises(ValueError, match="no `<!-- families:begin -->`"):
        with_families("# Metrics\n")
