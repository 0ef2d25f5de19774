"""Pydantic's errors and wrong values in the words of YAML, which the author of a policy table reads, not of Python."""

import re
from collections.abc import Mapping
from itertools import islice
from typing import Any

from nodeproxy.mesh.duration import duration_text
from nodeproxy.mesh.size import size_text

QUOTED_MOST = 200  # characters of a wrong value: enough to find it
_PASSWORD = re.compile(r"//[^/@\s]*@")  # of a URL: problems are logged
_TOKEN = "expected a name as HTTP has it, without spaces and separators"
PATTERNS = {
    r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?$": "expected a name of lower-case letters, digits and dashes",
    r"^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$": "expected a name of lower-case letters, digits, dashes and dots",
    r"^([A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?)?$": "expected the value of a label, as Kubernetes has it: letters, "
    "digits, and between them dashes, underscores and dots",
    r"^([a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*/)?"
    r"[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?$": "expected the name of a label, as Kubernetes has it: app, or "
    "example.org/app",
    r"^/[!-~]*$": "expected a path that begins with / and has no spaces",
    r"^/[\x21-\x7e]*$": "expected a path that begins with / and has no spaces",
    r"^/[\x21-\x3a\x3c-\x7e]*$": "expected a path that begins with / and has no spaces and no semicolon",
    r"^[A-Za-z0-9]([-A-Za-z0-9.]*[A-Za-z0-9])?(:[0-9]{1,5})?$": "expected a host name, with a port or without: "
    "shop.example:8443",
    r"^[\x21-\x7e]([\x20-\x7e]*[\x21-\x7e])?$": "expected ASCII text that neither begins nor ends with a space",
    r"^[\t\x20-\x7e]*$": "expected ASCII text on one line",
    r"^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$": _TOKEN,
    r"^(\*|[!#$%&'+\-.^_`|~0-9A-Za-z]+)$": f"{_TOKEN}, or *",
}
"""What the patterns of built-in policies mean; a test has all of them."""
_BOUNDS = {
    "greater_than": "expected more than",
    "greater_than_equal": "expected at least",
    "less_than": "expected less than",
    "less_than_equal": "expected at most",
}
_WORDS = {
    "input should be a valid tuple": "expected a list",
    "input should be a valid dictionary": "expected a mapping",
    "input should be a valid boolean": "expected true or false",
    "input should be a valid ": "expected a valid ",
    "string should match pattern": "expected text that matches",
    "string should have": "the text should have",
    "tuple should have": "the list should have",
    "dictionary should have": "the mapping should have",
    ", unable to parse string as a number": "",
    ", unable to parse string as an integer": "",
    " after validation": "",
    ", not more": "",
}
"""Python's words in pydantic's messages, and YAML's."""


def in_words(detail: Any, field: str = "") -> str:  # noqa: ANN401  pydantic's ErrorDetails
    """What is wrong, without place and value. `field` is the name of the field in Python, whose suffix is its unit."""
    message, kind = str(detail["msg"]), detail["type"]
    if kind == "value_error":
        return message.removeprefix("Value error, ")
    if kind in _BOUNDS:
        return f"{_BOUNDS[kind]} {_with_unit(message.rpartition(' ')[2], field)}"
    if kind == "string_pattern_mismatch" and detail["ctx"]["pattern"] in PATTERNS:
        return PATTERNS[detail["ctx"]["pattern"]]
    message = f"{message[0].lower()}{message[1:]}"
    for word, ours in _WORDS.items():
        message = message.replace(word, ours)
    return message


def quoted(value: object) -> str:
    """`value` as YAML has it on one line: cut off where it is long, and without the passwords of URLs."""
    text = _PASSWORD.sub("//***@", _flow(value))
    return text if len(text) <= QUOTED_MOST else f"{text[:QUOTED_MOST]}…"


def _with_unit(bound: str, field: str) -> str:
    if field.endswith("_s"):
        return duration_text(float(bound))
    return size_text(int(bound)) if field.endswith("_bytes") else bound


def _flow(value: object) -> str:
    """In YAML's flow style; what is past QUOTED_MOST items is not looked at."""
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    if isinstance(value, Mapping):
        fields = (f"{_flow(key)}: {_flow(each)}" for key, each in islice(value.items(), QUOTED_MOST))
        return f"{{{', '.join(fields)}}}"
    if isinstance(value, list | tuple):
        return f"[{', '.join(_flow(each) for each in islice(value, QUOTED_MOST))}]"
    return repr(value) if isinstance(value, str) else str(value)
