"""What a service has done so far, in the terms of a rollout, from the workers' reports."""

from collections.abc import Mapping

from discovery.rollouts.judgement import Tally
from discovery.rollouts.rollouts import NAME, Counts
from discovery.workers.reports import Reports
from nodeproxy.mesh.model import Service
from nodeproxy.mesh.reports import Decision, PortCounters, PortKey
from nodeproxy.policies.rollout import LAST_GOOD, LAST_GOOD_FAILED, NEW, NEW_FAILED

FAILED = frozenset({"connect-failed", "connection-lost", "no-endpoints", "endpoints-unknown", "timeout"})
"""Reasons for the end of a TCP connection that are failures of the service."""


def counts_of(key: str, services: Mapping[str, Service], reports: Reports) -> Counts | None:
    """The counts of the service with this key; None before all workers have reported once."""
    service = services.get(key)
    if service is None or not reports.complete:
        return None
    counters = reports.counters_of(PortKey(service.namespace, service.name, port.key) for port in service.ports)
    decisions = dict(counters.decisions)
    return Counts(_whole(counters), _arm(decisions, NEW, NEW_FAILED), _arm(decisions, LAST_GOOD, LAST_GOOD_FAILED))


def _whole(counters: PortCounters) -> Tally:
    connections = counters.connections
    refused = sum(number for kind, number in connections.ended if kind.reason in FAILED)
    requests = sum(number for _, number in counters.requests)
    failed = sum(number for kind, number in counters.requests if kind.status >= 500)
    return Tally(requests + sum(number for _, number in connections.ended), failed + refused)


def _arm(decisions: Mapping[Decision, int], passed: str, failed: str) -> Tally:
    failures = decisions.get(Decision(NAME, failed, "enforce"), 0)
    return Tally(decisions.get(Decision(NAME, passed, "enforce"), 0) + failures, failures)
