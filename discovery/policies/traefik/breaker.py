"""`circuit-breaker-expression` as the policy `circuitBreaker`: what has an equivalent, and a message for what has none.

The circuit breaker of Traefik judges the last 10 s and stays open for 10 s. A share of failures and a quantile of
latency have equivalents: `failureRatio`, and `slowRatio` with `slowerThan`. Each alone opens the circuit, as with `||`.
"""

from collections.abc import Iterator
from typing import NamedTuple

from discovery.policies.table import Table
from discovery.policies.traefik.expression import Condition, Either, Expression, NotAnExpression, parse
from nodeproxy.mesh.duration import LONGEST_S, duration_text
from nodeproxy.policies.table import PolicyRefused

PERIODS = {"window": "10s", "openDuration": "10s", "maxOpenDuration": "10s"}
"""As Traefik's: the breaker's buckets, and `fallbackDuration`."""


class Reading(NamedTuple):
    """What an annotation means: a policy table, empty for none, and warnings."""

    table: Table
    warnings: tuple[str, ...] = ()
    difference: str = ""
    """How the table differs in meaning from Traefik Mesh, "" if it does not."""


class _Failures(NamedTuple):
    ratio: float
    network_only: bool


class _Slow(NamedTuple):
    ratio: float
    than_s: float


def breaker_of(text: str) -> Reading:
    """The policy that an expression means.

    Raises:
        PolicyRefused: it is not an expression.
    """
    try:
        conditions = list(_alternatives(parse(text)))
    except NotAnExpression as error:
        raise PolicyRefused(
            (f"{error}; write it as NetworkErrorRatio() > 0.5 || LatencyAtQuantileMS(50.0) > 100",)
        ) from error
    failures: list[_Failures] = []
    slow: list[_Slow] = []
    warnings = []
    for each in conditions:
        found = _meaning(each)
        if isinstance(found, _Failures):
            failures.append(found)
        elif isinstance(found, _Slow) and not slow:
            slow.append(found)
        else:
            reason = (
                "circuitBreaker has one limit for latency, the first one counts" if isinstance(found, _Slow) else found
            )
            warnings.append(f"{each.text} is not in force: {reason}")
    if not failures and not slow:
        return Reading({}, tuple(warnings))
    return Reading({"circuitBreaker": _settings(failures, slow)}, tuple(warnings), _difference(failures, slow))


def _alternatives(expression: Expression) -> Iterator[Expression]:
    if isinstance(expression, Either):
        for part in expression.parts:
            yield from _alternatives(part)
    else:
        yield expression


def _meaning(each: Expression) -> _Failures | _Slow | str:
    """What opens the circuit, or why nothing means the same, with the cure."""
    if not isinstance(each, Condition):
        return (
            "each condition of circuitBreaker alone opens the circuit, none waits for another (&&); write one of them "
            "here, or failureRatio and slowRatio in a policy table"
        )
    if each.operator not in (">", ">="):
        return f"a circuit opens above a limit, not by {each.operator}; write the condition with >"
    if each.metric == "LatencyAtQuantileMS":
        return _slow(each)
    if each.value == 0 or each.value > 1 or (each.value == 1 and each.operator == ">"):
        return "a ratio is compared with more than 0 and less than 1; write such a number"
    if each.metric == "NetworkErrorRatio":
        return _Failures(each.value, network_only=True)
    first, end, of, of_end = each.arguments
    if first == 500 and end >= 600 and of <= 100 and of_end >= 600:
        return _Failures(each.value, network_only=False)
    return (
        "circuitBreaker counts the share of 5xx in all responses; write ResponseCodeRatio(500, 600, 0, 600), or "
        "outlierDetection.httpErrorCodes in a policy table, which ejects single endpoints"
    )


def _slow(each: Condition) -> _Slow | str:
    [quantile] = each.arguments
    if not 0 <= quantile < 100 or not 0 < each.value / 1000 <= LONGEST_S:
        return "a quantile is 0 to below 100, its limit more than 0 ms and at most ten years; write such numbers"
    return _Slow(round(1 - quantile / 100, 6), each.value / 1000)


def _settings(failures: list[_Failures], slow: list[_Slow]) -> Table:
    # without a condition on failures only the failure of everything opens: failureRatio cannot be switched off
    settings: Table = {**PERIODS, "failureRatio": min((each.ratio for each in failures), default=1.0)}
    for ratio, than_s in slow:
        settings |= {"slowRatio": ratio, "slowerThan": duration_text(than_s)}
    return settings


def _difference(failures: list[_Failures], slow: list[_Slow]) -> str:
    texts = ["circuitBreaker waits for 20 results (minimumRequests), and closes after 3 good probes, not by a ramp"]
    if any(each.network_only for each in failures):
        texts.append("it counts every 5xx as a failure, not only 502 and 504")
    if not failures:
        texts.append("it opens also when all requests fail")
    if slow:
        texts.append("the time of a request ends with the response's head")
    return "; ".join(texts)
