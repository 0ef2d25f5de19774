"""The grammar of `circuit-breaker-expression`. Pure; `breaker` decides what an expression means here.

Conditions such as `NetworkErrorRatio() > 0.5`, joined by `&&` and `||`, with parentheses; `&&` binds closer.
Source: Traefik's documentation of the middleware CircuitBreaker.
"""

import re
from typing import NamedTuple

from discovery.problem import shown

CHARACTERS_MOST = 1000  # a dozen conditions
DEPTH_MOST = 20  # of parentheses
ARGUMENTS = {"NetworkErrorRatio": 0, "ResponseCodeRatio": 4, "LatencyAtQuantileMS": 1}
COMPARISONS = (">", ">=", "<", "<=", "==", "!=")

_TOKEN = re.compile(r"\s*(?P<word>[0-9]+(?:\.[0-9]+)?|[A-Za-z]\w*|&&|\|\||[<>=!]=|[<>(),])", re.ASCII)


class Condition(NamedTuple):
    """One comparison of a metric with a number."""

    text: str
    metric: str
    arguments: tuple[float, ...]
    operator: str
    value: float


class Every(NamedTuple):
    """Parts joined by `&&`."""

    text: str
    parts: tuple["Expression", ...]


class Either(NamedTuple):
    """Parts joined by `||`."""

    text: str
    parts: tuple["Expression", ...]


Expression = Condition | Every | Either


class NotAnExpression(ValueError):
    """The text cannot be parsed; says where, and what was expected."""


def parse(text: str) -> Expression:
    """The expression in `text`.

    Raises:
        NotAnExpression: a mistake of grammar, an unknown metric, or a text that is too long or too deep.
    """
    if len(text) > CHARACTERS_MOST:
        raise NotAnExpression(f"is longer than {CHARACTERS_MOST} characters")
    parser = _Parser(text)
    found = parser.either(0)
    if parser.next:
        raise parser.expected("&& or ||")
    return found


class _Parser:
    def __init__(self, text: str) -> None:
        self._text = text
        self._end = 0
        """The end of the last word taken."""
        self.next = ""
        self._next_end = 0
        self._read()

    def either(self, depth: int) -> Expression:
        """Parts joined by `||`."""
        start = self._start()
        parts = [self._every(depth)]
        while self._took("||"):
            parts.append(self._every(depth))
        return parts[0] if len(parts) == 1 else Either(self._since(start), tuple(parts))

    def expected(self, what: str) -> NotAnExpression:
        """The error at the current word."""
        rest = self._text[self._end :].strip()
        return NotAnExpression(f"expected {what} at {shown(rest)}" if rest else f"expected {what} at its end")

    def _every(self, depth: int) -> Expression:
        start = self._start()
        parts = [self._part(depth)]
        while self._took("&&"):
            parts.append(self._part(depth))
        return parts[0] if len(parts) == 1 else Every(self._since(start), tuple(parts))

    def _part(self, depth: int) -> Expression:
        if not self._took("("):
            return self._condition()
        if depth == DEPTH_MOST:
            raise NotAnExpression(f"has more than {DEPTH_MOST} parentheses inside each other")
        found = self.either(depth + 1)
        self._take(")")
        return found

    def _condition(self) -> Condition:
        start = self._start()
        if self.next not in ARGUMENTS:
            raise self.expected("NetworkErrorRatio(), ResponseCodeRatio(from, to, of, to) or LatencyAtQuantileMS(q)")
        metric = self._word()
        arguments = self._arguments(ARGUMENTS[metric])
        if self.next not in COMPARISONS:
            raise self.expected("a comparison such as > 0.5")
        operator = self._word()
        value = self._number()
        return Condition(self._since(start), metric, arguments, operator, value)

    def _arguments(self, count: int) -> tuple[float, ...]:
        self._take("(")
        found = []
        for index in range(count):
            if index:
                self._take(",")
            found.append(self._number())
        self._take(")")
        return tuple(found)

    def _number(self) -> float:
        if not self.next[:1].isdigit():
            raise self.expected("a number")
        return float(self._word())

    def _take(self, word: str) -> None:
        if not self._took(word):
            raise self.expected(word)

    def _took(self, word: str) -> bool:
        if self.next != word:
            return False
        self._word()
        return True

    def _word(self) -> str:
        word, self._end = self.next, self._next_end
        self._read()
        return word

    def _read(self) -> None:
        match = _TOKEN.match(self._text, self._end)
        if match is None and self._text[self._end :].strip():
            raise self.expected("a metric, a number or an operator")
        self.next, self._next_end = (match["word"], match.end()) if match else ("", self._end)

    def _start(self) -> int:
        return self._next_end - len(self.next)

    def _since(self, start: int) -> str:
        return self._text[start : self._end]
