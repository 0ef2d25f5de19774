"""`python -m discovery.observe.metrics_page FILE`: writes the table of all metrics into docs/metrics.md."""

import sys
from collections.abc import Iterator
from pathlib import Path

from discovery.observe.families import Declared, unit_of
from discovery.observe.metrics import NodeMetrics

BEGIN, END = "<!-- families:begin -->", "<!-- families:end -->"


def with_families(page: str) -> str:
    """The page with its table replaced.

    Raises:
        ValueError: the markers of the table are missing.
    """
    before, begin, rest = page.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise ValueError(f"no `{BEGIN}` followed by `{END}`; put both back")
    return before + BEGIN + "\n" + "".join(_lines()) + END + after


def _lines() -> Iterator[str]:
    yield "| name | type | unit | labels | meaning |\n| --- | --- | --- | --- | --- |\n"
    for family in sorted(NodeMetrics().declared(), key=lambda family: family.name):
        yield _line(family)


def _line(family: Declared) -> str:
    labels = " ".join(f"`{label}`" for label in family.labels)
    text = family.text.replace("|", "\\|")
    return f"| `{family.exposed}` | {family.kind} | {unit_of(family.name)} | {labels} | {text} |\n"


if __name__ == "__main__":
    path = Path(sys.argv[1])
    path.write_text(with_families(path.read_text()))
