"""Log lines of discovery: an event with fields, as text or as JSON, and each problem once while it stands."""

import json
import logging
import sys
import time
from collections.abc import Iterable
from typing import Literal

from discovery.problem import Problem

LogFormat = Literal["text", "json"]

logger = logging.getLogger("discovery")

_LEVEL = {"error": logging.ERROR, "warning": logging.WARNING}


def configure(log_format: LogFormat) -> None:
    """Let the log lines of this process go to stderr in this format."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonLines() if log_format == "json" else TextLines())
    logger.handlers = [handler]
    logger.setLevel(logging.INFO)
    logger.propagate = False


def tell(event: str, level: int = logging.INFO, **fields: object) -> None:
    """Log `event` with its fields; those that say nothing are left out."""
    said = {name: value for name, value in fields.items() if value is not None and value != ""}
    logger.log(level, event, extra={"fields": said})


class ProblemLog:
    """Tells problems when they appear and when they are gone, not while they stay."""

    def __init__(self) -> None:
        self._standing: dict[Problem, None] = {}

    def show(self, problems: Iterable[Problem]) -> None:
        """Take all problems there are now."""
        standing = dict.fromkeys(problem for problem in problems if problem.severity != "note")
        for problem in standing:
            if problem not in self._standing:
                tell("problem", _LEVEL[problem.severity], **fields_of(problem))
        for problem in self._standing:
            if problem not in standing:
                tell("solved", problem=str(problem), file=problem.origin.file)
        self._standing = standing


def fields_of(problem: Problem) -> dict[str, object]:
    """A problem as the fields of a log line."""
    return {
        "problem": str(problem),
        "file": problem.origin.file,
        "document": problem.origin.document or None,
        "object": problem.subject,
        "line": problem.line,
    }


class JsonLines(logging.Formatter):
    """One JSON object per line."""

    def format(self, record: logging.LogRecord) -> str:
        """The line of `record`."""
        head = {"time": _time(record), "level": record.levelname.lower(), "event": record.getMessage()}
        return json.dumps({**head, **record.__dict__.get("fields", {})}, default=str)


class TextLines(logging.Formatter):
    """Time, level, event; then the problem as a sentence, or the fields."""

    def format(self, record: logging.LogRecord) -> str:
        """The line of `record`."""
        fields = record.__dict__.get("fields", {})
        said = fields.get("problem") or " ".join(f"{name}={value}" for name, value in fields.items())
        return f"{_time(record)} {record.levelname:7} {record.getMessage()} {said}".rstrip()


def _time(record: logging.LogRecord) -> str:
    return f"{time.strftime('%Y-%m-%dT%H:%M:%S', time.gmtime(record.created))}.{int(record.msecs):03}Z"
