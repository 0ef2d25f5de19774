"""`rollout`: a changed policy table takes effect for some requests or nodes first, and is taken back if errors rise."""

from typing import Annotated, Literal

from pydantic import Field

from nodeproxy.policies.block import Duration, Policy, PolicySettings

NEW, NEW_FAILED = "new", "new-failed"
LAST_GOOD, LAST_GOOD_FAILED = "last-good", "last-good-failed"


class RolloutSettings(PolicySettings):
    """How a change of any other policy of the service takes effect. A change without it takes effect at once.

    The new table is compared with the last good one by the share of failures: statuses from 500, those of the mesh's
    own included, and connections that could not be made. If the new one's is higher by more than `margin`, beyond what
    chance explains (two standard deviations), the node returns to the last good table, and stays there until the table
    is changed again. Each node decides for itself, by its own requests. In `mode: shadow` it only reports.
    """

    percentage: Annotated[float, Field(gt=0, le=100, strict=False)] = 10.0
    """Percent of the requests, or of the nodes, that the new table is in force for at first."""
    of: Literal["requests", "nodes"] = "requests"
    """`requests`: on every node, that part of the requests, in exact proportion; what acts on endpoints (balancing,
    pools, ejection, probes) and on UDP changes at the end. `nodes`: some nodes use the new table for all; the others
    begin with that part of their requests when `until` has passed."""
    until_s: Annotated[Duration, Field(gt=0, le=7 * 86400)] = 600.0
    """How long the new table is on trial before it is in force for all, since the node has read it."""
    margin: Annotated[float, Field(ge=0, le=100, strict=False)] = 1.0
    """By how many percent of the requests the failures may rise."""
    min_requests: Annotated[int, Field(ge=1, le=1_000_000)] = 50
    """Requests under the new table before it is judged. At the end of its time it is judged by however many came."""


POLICY: Policy = Policy(
    "rollout",
    RolloutSettings,
    connections=True,
    acts="on changes of the table",
    outcomes={
        NEW: "an exchange under a table on trial that did not fail",
        NEW_FAILED: "one that failed",
        LAST_GOOD: "an exchange under the last good table, beside a trial, that did not fail",
        LAST_GOOD_FAILED: "one that failed",
    },
)
