"""A problem in the operator's objects: the place, the value and the cure, as one line of text."""

import reprlib
from dataclasses import dataclass
from typing import Literal, NamedTuple

Path = tuple[str | int, ...]
"""The path of a field: field names and list indexes."""

Severity = Literal["error", "warning", "note"]

MESSAGE_LIMIT = 600  # characters; a log line must not quote a whole ConfigMap

_short = reprlib.Repr()
_short.maxstring = _short.maxother = 80
_short.maxlevel = 3


class Origin(NamedTuple):
    """Where an object is written: the file, the document in it (from 1), the path in the document.

    All empty for an object from an API server.
    """

    file: str = ""
    document: int = 0
    within: Path = ()


NOWHERE = Origin()


@dataclass(frozen=True, slots=True)
class Problem:
    """One problem. Equal problems are the same problem and are reported once.

    `subject` is kind and namespace/name. An error means that what the operator asked for is not in force; a warning
    that it is, or was never meant for the mesh, but deserves a look; a note that all is as it should be, and what that
    means. Notes are for `check`: they are in no log.
    """

    message: str
    origin: Origin = NOWHERE
    subject: str = ""
    path: Path = ()
    line: int | None = None
    severity: Severity = "error"
    text_line: int | None = None
    """The line within the text at `path`, which is a table of its own; `line` is that of the file."""

    def __str__(self) -> str:
        place = f"document {self.origin.document}" if self.origin.document else ""
        subject = f"({self.subject})" if place and self.subject else self.subject
        parts = (
            self.origin.file,
            " ".join(filter(None, (place, subject))),
            path_text(self.full_path),
            printable(self.message),
        )
        lines = (
            f"line {self.line}" if self.line is not None else "",
            f"line {self.text_line} of its text" if self.text_line is not None else "",
        )
        text, where = ": ".join(filter(None, parts)), ", ".join(filter(None, lines))
        return f"{text} ({where})" if where else text

    @property
    def full_path(self) -> Path:
        """The path of the field from the document's root."""
        return (*self.origin.within, *self.path)


def path_text(path: Path) -> str:
    """`path` as kubectl writes it: `spec.ports[0].port`; a key that is no plain word in quotes: `data["a.b"]`."""
    text = ""
    for step in path:
        if isinstance(step, int):
            text += f"[{step}]"
        elif step.isidentifier():
            text += f".{step}" if text else step
        else:
            text += f'["{printable(step)}"]'
    return text


def shown(value: object) -> str:
    """`value` as a message quotes it: on one line, and short however large it is."""
    return _short.repr(value)


def printable(text: str) -> str:
    """`text` on one line, short, with everything escaped that a terminal might act on."""
    return "".join(char if char.isprintable() else ascii(char)[1:-1] for char in bounded(text))


def bounded(text: str) -> str:
    """`text`, its end cut away beyond `MESSAGE_LIMIT`."""
    return text if len(text) <= MESSAGE_LIMIT else text[:MESSAGE_LIMIT] + "…"


def sentence_of(problem: Problem) -> str:
    """A problem of a policy map for its author, who has the map at hand."""
    line = f", line {problem.text_line}" if problem.text_line is not None else ""
    return f"{path_text(problem.path)}{line}: {printable(problem.message)}"
