"""Lines of ours in a text of somebody else's: between two comments, by which they are found again and taken out."""

from collections.abc import Iterator, Sequence

BEGIN = "# nodeproxy begin"
END = "# nodeproxy end"
_HINT = f"{BEGIN} (kept by nodeproxy, a change in here is undone; `nodeproxy cluster-dns remove` takes it out)"


class Damaged(ValueError):
    """One of the two comments is missing; `line` (from 1) has the other one."""

    def __init__(self, message: str, line: int) -> None:
        super().__init__(message)
        self.line = line


def marked(lines: Sequence[str], indent: str = "") -> str:
    """`lines` between the two comments, ending with a line break."""
    return "".join(f"{indent}{line}\n" for line in (_HINT, *lines, END))


def is_marked(text: str) -> bool:
    """Whether there is anything of ours in `text`."""
    return any(line.strip().startswith(BEGIN) for line in text.split("\n"))


def without_marked(text: str) -> str:
    """`text` without our lines, every other byte as it was.

    Raises:
        Damaged: where our lines begin or end cannot be told.
    """
    return "".join(_others(text))


def _others(text: str) -> Iterator[str]:
    began = 0
    for number, line in enumerate(_lines(text), start=1):
        word = line.strip()
        if word.startswith(BEGIN):
            if began:
                raise Damaged(f"`{BEGIN}` stands twice without `{END}` between", number)
            began = number
        elif word == END:
            if not began:
                raise Damaged(f"`{END}` stands there without `{BEGIN}`", number)
            began = 0
        elif not began:
            yield line
    if began:
        raise Damaged(f"`{BEGIN}` stands there without `{END}`", began)


def _lines(text: str) -> Iterator[str]:
    """Each line with its line feed; other line breaks of Unicode are characters as others, as for CoreDNS."""
    *lines, last = text.split("\n")
    yield from (line + "\n" for line in lines)
    yield last
