"""`retries`: whether a failed try may be sent again, when, and how often.

Decides from the error or the status alone; which endpoint the next try goes to is the balancer's. Requests whose
body is gone are not sent again, whatever is asked for.
"""

from typing import Annotated, Literal

from pydantic import Field

from nodeproxy.policies.block import Block, Duration, Policy

Condition = Literal["connect-failure", "reset", "timeout", "gateway-error", "5xx", "retriable-status-codes"]


class Backoff(Block):
    """Waits between tries: a random part of `base` doubled per try, never longer than `max`. As Envoy's."""

    base_s: Duration = 0.025
    max_s: Duration = 0.25


class RetriesSettings(Block):
    """`attempts` counts tries beyond the first; 0 switches retries off.

    A try that failed before the endpoint can have seen the request (`connect-failure`) is sent again for every
    method. All other conditions hold for `methods` only: by default those that RFC 9110, 9.2.2 calls idempotent.
    """

    attempts: Annotated[int, Field(ge=0, le=10)] = 2  # Istio's default
    per_try_timeout_s: Duration = 0.0
    retry_on: tuple[Condition, ...] = ("connect-failure", "reset")
    codes: tuple[Annotated[int, Field(ge=400, le=599)], ...] = ()
    methods: tuple[Annotated[str, Field(pattern=r"^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$")], ...] = (
        "GET", "HEAD", "OPTIONS", "TRACE", "PUT", "DELETE",
    )  # fmt: skip
    backoff: Backoff = Backoff()


POLICY = Policy("retries", RetriesSettings, None, default=True)
