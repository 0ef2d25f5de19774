"""The reference of a policy or of one field, for a terminal."""

from collections.abc import Iterable, Iterator, Mapping, Sequence

from rich.box import SIMPLE_HEAD
from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from nodeproxy.cli.reference.fields import Described, Field

INDENT = (0, 0, 0, 2)


def all_policies(policies: Sequence[Described]) -> RenderableType:
    """A line for each policy, in their order."""
    table = _columns("policy", "unless written", "what it does")
    for each in policies:
        table.add_row(each.name, "in force" if each.in_force else "off", each.summary)
    more = "`nodeproxy policies NAME` shows a policy, `nodeproxy policies NAME.FIELD` one field of it."
    return Group(table, Text(more))


def one_policy(policy: Described, example: str) -> RenderableType:
    """Everything about one policy."""
    standing = f"{'in force' if policy.in_force else 'off'} unless written; acts {policy.acts}"
    parts: list[RenderableType] = [
        Text.assemble((policy.name, "bold"), f"  {policy.summary}"),
        Text(f"({standing}; number {policy.place} in the order)\n"),
        *_indented(policy.meaning),
        *_section("FIELDS", _fields(policy.everything(), f"{policy.name}.")),
        *_meanings("DECISIONS (nodeproxy_policy_decisions_total)", policy.outcomes),
        *_meanings("FIGURES (nodeproxy_policy_state)", policy.figures),
    ]
    if example:
        parts += _section("EXAMPLE", Text(example.rstrip()))
    return Group(*parts)


def one_field(field: Field) -> RenderableType:
    """Everything about one field, and the fields inside it."""
    parts: list[RenderableType] = [_heading(field, field.path), *_indented((field.text,))]
    inside = [each for part in field.parts for each in part.everything()]
    return Group(*parts, *_section("FIELDS", _fields(inside, f"{field.path}."))) if inside else Group(*parts)


def _fields(fields: Iterable[Field], below: str) -> RenderableType:
    """Two paragraphs for each: `kubectl explain` shows fields so, and a narrow terminal has room for them."""
    parts: list[RenderableType] = []
    for field in fields:
        parts += [_heading(field, field.path.removeprefix(below)), *_indented((field.text,))]
    return Group(*parts)


def _heading(field: Field, shown: str) -> Text:
    default = f"  default {field.default}" if field.default else ""
    return Text.assemble((shown, "bold"), f"  <{field.type}>", "  required" if field.required else default)


def _meanings(title: str, meanings: Mapping[str, str]) -> Iterator[RenderableType]:
    if meanings:
        table = _columns("name", "meaning")
        for name, meaning in meanings.items():
            table.add_row(name, meaning)
        yield from _section(title, table)


def _section(title: str, content: RenderableType) -> tuple[RenderableType, RenderableType]:
    return Text(title, "bold"), Padding(content, INDENT)


def _indented(paragraphs: Iterable[str]) -> Iterator[RenderableType]:
    return (Padding(Text(f"{paragraph}\n"), INDENT) if paragraph else Text() for paragraph in paragraphs)


def _columns(*titles: str) -> Table:
    table = Table(box=SIMPLE_HEAD, pad_edge=False)
    for title in titles[:-1]:
        table.add_column(title, overflow="fold")
    table.add_column(titles[-1], overflow="fold", ratio=1)
    return table
