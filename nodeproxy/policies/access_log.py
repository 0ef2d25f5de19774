"""`accessLog`: which requests of a service have a line in the access log, and how it looks."""

import re
from collections.abc import Callable
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, model_validator

from nodeproxy.exchange.exchange import Tools
from nodeproxy.policies.block import Block, Duration, Policy, PolicySettings
from nodeproxy.policies.service_log import Chosen, ServiceLog, observed

_COMPARED = re.compile(r"(>=|<=|>|<|!=)?([1-5][0-9]{2})|([1-5])xx")


def _status(text: str) -> str:
    if _COMPARED.fullmatch(text.replace(" ", "")) is None:
        raise ValueError('expected a status such as "503", a class such as "5xx", or a comparison such as ">=500"')
    return text.replace(" ", "")


class LogFilter(Block):
    """Which requests have a line. One that fulfils any of the conditions has."""

    status: Annotated[str, AfterValidator(_status)] | None = None
    """Those whose status is this: `">=500"`, `"5xx"`, `"!=200"`, `"404"`. A TCP connection or UDP session, which has no
    status, fulfils it when it has failed."""
    slower_than_s: Annotated[Duration, Field(ge=0)] | None = None
    """Those that have taken longer, from the head of the request to the last byte of the response."""

    @model_validator(mode="after")
    def _asks(self) -> "LogFilter":
        if self.status is None and self.slower_than_s is None:
            raise ValueError("there is no condition; write status or slowerThan")
        return self


class AccessLogSettings(PolicySettings):
    """A line on stdout for each request, TCP connection and UDP session, as the setting `access_log` has it for all.

    This policy takes the place of that setting for the service. What a reader of stdout does not take in time is
    dropped and counted (`nodeproxy_access_log_lines_dropped_total`); no request waits for it. Redirects and fixed
    responses of `routes`, which no policy sees, have lines by the setting only. In shadow mode nothing is written, and
    the decisions say how many lines there would be.
    """

    format: Literal["json", "text", "off"] = "json"
    """How a line looks; `off` writes none, whatever the setting says."""
    sample: Annotated[float, Field(ge=0, le=1, strict=False)] = 1.0
    """The share of those that the filter lets pass, at random: 0.01 is every hundredth."""
    filter: LogFilter | None = None
    """Only some requests; by default all."""


def _matcher(text: str) -> Callable[[int], bool]:
    found = _COMPARED.fullmatch(text)
    assert found is not None  # validated
    if found[3]:
        return lambda status: status // 100 == int(found[3])
    than = int(found[2])
    compared: dict[str | None, Callable[[int], bool]] = {
        ">=": lambda status: status >= than,
        "<=": lambda status: status <= than,
        ">": lambda status: status > than,
        "<": lambda status: status < than,
        "!=": lambda status: status != than,
        None: lambda status: status == than,
    }
    return compared[found[1]]


def state(settings: AccessLogSettings, _before: ServiceLog | None, tools: Tools) -> ServiceLog:
    """The log of a service port; there is nothing to remember."""
    asked = settings.filter
    of_status = None if asked is None or asked.status is None else _matcher(asked.status)
    slower_than_s = None if asked is None else asked.slower_than_s
    return ServiceLog(Chosen(settings.format, settings.sample, of_status, slower_than_s), tools)


POLICY: Policy = Policy(
    "accessLog",
    AccessLogSettings,
    connections=True,
    touches=("datagrams",),
    state=state,
    on_request=observed,
    outcomes={
        "logged": "a line was written; in shadow mode, would have been",
        "filtered": "no condition of `filter` was fulfilled",
        "not-sampled": "left out by `sample`",
    },
)
