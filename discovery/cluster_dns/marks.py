"""Marks nodeproxy's lines in a text of another author with two comments, to find and remove them."""

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
    """`lines` between the two comments, with a final line break."""
    return "".join(f"{indent}{line}\n" for line in (_HINT, *lines, END))


def is_marked(text: str) -> bool:
    """Whether `text` has marked lines."""
    return any(line.strip().startswith(BEGIN) for line in text.split("\n"))


def without_marked(text: str) -> str:
    """`text` without the marked lines; all other bytes stay unchanged.

    Raises:
        Damaged: the begin or end of the marked lines is missing.
    """
    return "".join(_others(text))


def _others(text: str) -> Iterator[str]:
    began = 0
    for number, line in enumerate(_lines(text), start=1):
        word = line.strip()
        if word.startswith(BEGIN):
            if began:
                raise Damaged(f"`{BEGIN}` is there twice without `{END}` between", number)
            began = number
        elif word == END:
            if not began:
                raise Damaged(f"`{END}` is there without `{BEGIN}`", number)
            began = 0
        elif not began:
            yield line
    if began:
        raise Damaged(f"`{BEGIN}` is there without `{END}`", began)


def _lines(text: str) -> Iterator[str]:
    """Each line with its line feed; as in CoreDNS, other Unicode line breaks are ordinary characters."""
    *lines, last = text.split("\n")
    yield from (line + "\n" for line in lines)
    yield last
