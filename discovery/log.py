"""Log lines of discovery: an event with fields, as text or JSON; each problem is logged once while it lasts."""

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
    """Sends the log lines of this process to stderr in this format."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonLines() if log_format == "json" else TextLines())
    logger.handlers = [handler]
    logger.setLevel(logging.INFO)
    logger.propagate = False


def log_event(event: str, level: int = logging.INFO, **fields: object) -> None:
    """Logs `event` with its fields, without those that are None or empty."""
    present = {name: value for name, value in fields.items() if value is not None and value != ""}
    logger.log(level, event, extra={"fields": present})


class ProblemLog:
    """Logs each problem when it appears and when it is solved, not while it lasts."""

    def __init__(self) -> None:
        self._standing: dict[Problem, None] = {}

    def show(self, problems: Iterable[Problem]) -> None:
        """Replaces the current problems, and logs the differences."""
        standing = dict.fromkeys(problem for problem in problems if problem.severity != "note")
        for problem in standing:
            if problem not in self._standing:
                log_event("problem", _LEVEL[problem.severity], **fields_of(problem))
        for problem in self._standing:
            if problem not in standing:
                log_event("solved", problem=str(problem), file=problem.origin.file)
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
        detail = fields.get("problem") or " ".join(f"{name}={value}" for name, value in fields.items())
        return f"{_time(record)} {record.levelname:7} {record.getMessage()} {detail}".rstrip()


def _time(record: logging.LogRecord) -> str:
    return f"{time.strftime('%Y-%m-%dT%H:%M:%S', time.gmtime(record.created))}.{int(record.msecs):03}Z"
