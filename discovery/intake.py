"""Applies what a source finds, and what rollouts decide, to catalogue, workers, last good state, log and events."""

import logging
from collections.abc import Awaitable, Callable, Iterable
from functools import partial
from typing import Protocol

from discovery.cluster_limits.lessor import ClusterLimits
from discovery.log import ProblemLog, log_event
from discovery.policies.layers import Verdict
from discovery.policies.notice import Notice
from discovery.services.catalogue import Catalogue, Differences
from discovery.sources.source import Batch, PodSelection
from discovery.workers.counts import counts_of
from discovery.workers.last_good import LastGood
from discovery.workers.publish import Publisher
from nodeproxy.mesh.wire import PolicyMap, PolicyMaps, size_of

REVIEW_EVERY_S = 1.0
WORDS = {
    "began": "a changed table is on trial",
    "ended": "the changed table is in force for all",
    "returned": "too much failed under the changed table; the last good one is in force until the table is changed",
    "would-return": "too much fails under the changed table; mode: shadow leaves it in force",
}
"""The same on every node, which makes one event of them all."""


class Announce(Protocol):
    """See `sources.cluster.events.Events`."""

    def note(self, verdicts: Iterable[Verdict]) -> None: ...

    def say(self, notice: Notice) -> None: ...


class Intake:
    """Applies each batch of a source to catalogue, publisher and log."""

    def __init__(
        self,
        catalogue: Catalogue,
        publisher: Publisher,
        last_good: LastGood | None = None,
        limits: ClusterLimits | None = None,
    ) -> None:
        self._catalogue = catalogue
        self._limits = limits
        self._last_good = last_good
        self._taken = False
        self._publisher = publisher
        self._problems = ProblemLog()
        self._verdicts: tuple[Verdict, ...] = ()
        self._in_sync = False
        self.announce: Announce | None = None
        """Where verdicts on policy maps and steps of rollouts are announced."""

    def request_pods(self, request: Callable[[frozenset[PodSelection]], None]) -> None:
        """Has the pods that subsets need requested from the source, which does not have them by itself."""
        self._catalogue.subsets.request = request

    def take(self, batch: Batch) -> None:
        """Applies one batch."""
        differences = self._catalogue.apply(batch)
        self._in_sync = batch.in_sync and not self._catalogue.subsets.waiting
        self._report_verdicts()
        if self._limits is not None:
            self._limits.follow(differences)  # before a worker asks for a lease
        for snapshot in batch.snapshots:
            self._publisher.publish_snapshot(snapshot)
        self._publisher.publish(differences, in_sync=self._in_sync)
        if self._last_good is not None:
            changed = differences or not self._taken
            self._last_good.note(tuple(self._catalogue.services.values()) if changed else None, in_sync=self._in_sync)
        self._taken = True
        self._follow_up(differences)

    async def run_rollouts(self, sleep: Callable[[float], Awaitable[None]]) -> None:
        """Judges the tables on trial once a second, until cancelled."""
        while True:
            await sleep(REVIEW_EVERY_S)
            self.review()

    def review(self) -> None:
        """Judges the tables on trial."""
        counts = partial(counts_of, services=self._catalogue.services, reports=self._publisher.reports)
        differences = self._catalogue.review(counts)
        if differences:
            self._publisher.publish(differences, in_sync=self._in_sync)
            if self._last_good is not None:
                self._last_good.note(tuple(self._catalogue.services.values()), in_sync=self._in_sync)
        self._follow_up(differences)

    def _follow_up(self, differences: Differences) -> None:
        self._report_steps()
        self._problems.show(self._catalogue.problems())
        if differences:
            in_force = list(self._catalogue.services.values())
            removed = sum(service is None for service in differences.values())
            counts = {"changed": len(differences) - removed, "removed": removed}
            log_event("services in force", **counts, services=len(in_force), endpoints=size_of(in_force))

    def _report_verdicts(self) -> None:
        verdicts = self._catalogue.verdicts()
        if verdicts is self._verdicts:
            return
        self._verdicts = verdicts
        maps = (PolicyMap(each.ref.namespace, each.ref.name, not each.problems, each.ref.kind) for each in verdicts)
        self._publisher.publish_snapshot(PolicyMaps(tuple(maps)))
        if self.announce is not None:
            self.announce.note(verdicts)

    def _report_steps(self) -> None:
        """Logs what has become of rollouts, and announces it at the policy maps of the service."""
        steps = self._catalogue.rollouts.steps()
        versions = {each.ref: each.version for each in self._verdicts} if steps else {}
        for step in steps:
            level = logging.INFO if step.what in ("began", "ended") else logging.WARNING
            log_event(f"rollout {step.what}", level, service=step.service, reason=step.text)
            for ref in {each.ref for each in self._catalogue.policies.written_for(step.service)}:
                if self.announce is not None and ref in versions:
                    message = f"service {step.service}: {WORDS[step.what]}"
                    reason = f"Rollout{step.what.title().replace('-', '')}"
                    self.announce.say(Notice(ref, versions[ref], reason, message, level == logging.WARNING))
