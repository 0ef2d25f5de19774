"""Which table is in force for a service while a changed one is on trial.

The last good table stays in force for what the trial does not cover. A trial ends when its time has passed, when the
table is changed back, or when the failures rise: then the last good table is in force until the table changes again.
Of a change during a trial only the newest version is tried, from the beginning.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from hashlib import blake2b
from typing import Any, NamedTuple

from msgspec.structs import replace

from discovery.policies.table import Table
from discovery.rollouts.judgement import Tally, is_worse
from nodeproxy.mesh.model import Service, Trial
from nodeproxy.policies.rollout import RolloutSettings
from nodeproxy.policies.table import settings_of

NAME = "rollout"
SAMPLE_EVERY_S = 60.0
SAMPLES_MOST = 10  # minutes of a service's past that a trial of whole nodes is compared with
NODE_STEPS = 2**32


class Counts(NamedTuple):
    """What a service has done so far: in all, and beside each other during a trial."""

    whole: Tally = Tally()
    new: Tally = Tally()
    last_good: Tally = Tally()


CountsOf = Callable[[str], Counts | None]
"""The counts of the service with this key; None while they are not known."""


class InForce(NamedTuple):
    """What a service gets."""

    policies: Table
    trial: Trial | None


class Step(NamedTuple):
    """Something that has happened to the rollout of a service."""

    service: str
    what: str
    """`began`, `returned`, `would-return` (in shadow mode) or `ended`."""
    text: str


@dataclass(slots=True)
class _State:
    """One service."""

    last_good: Table
    settings: RolloutSettings | None
    """Of the newest table."""
    trial: Trial | None = None
    since: Counts | None = None
    """The counts when the trial began; None before they were known."""
    past: list[tuple[float, Tally]] = field(default_factory=list)
    reported: bool = False


class Rollouts:
    """The states of all services. `node` decides whether this one is among the first; `wall` is Unix time."""

    def __init__(self, node: str, wall: Callable[[], float]) -> None:
        self._node = node
        self._wall = wall
        self.active = False
        """Whether the policy maps are known: what is seen before is no change."""
        self._states: dict[str, _State] = {}
        self._steps: list[Step] = []

    def restore(self, services: Iterable[Service]) -> None:
        """Goes on from what was in force before a restart."""
        for service in services:
            trial = service.trial
            whole = trial.last_good if trial is not None else None
            newest = service.policies if trial is None else trial.policies
            self._states[service.key] = _State(service.policies if whole is None else whole, _settings(newest), trial)

    def forget(self, key: str) -> None:
        """The service has left the mesh."""
        self._states.pop(key, None)

    def settle(self, key: str, table: Table) -> InForce:
        """What is in force where `table` is what the policy maps say now."""
        if not self.active:
            return InForce(table, None)
        state = self._states.get(key)
        if state is None:
            state = self._states[key] = _State(table, _settings(table))
        elif table not in (state.last_good, state.trial.policies if state.trial is not None else None):
            state.settings = _settings(table)
            self._change(key, state, table)
        elif state.trial is not None and table == state.last_good:
            state.settings, state.trial = _settings(table), None
        return _in_force(state)

    def steps(self) -> tuple[Step, ...]:
        """What has happened since the last call."""
        steps, self._steps = tuple(self._steps), []
        return steps

    def review(self, counts_of: CountsOf) -> set[str]:
        """Judges all trials; returns the services for which something else is in force now. Call it once a second."""
        return {key for key, state in self._states.items() if self._review(key, state, counts_of)}

    def _change(self, key: str, state: _State, table: Table) -> None:
        """Another table than before."""
        if state.settings is None or _alike(table, state.last_good):  # removing `rollout` ends a trial
            state.last_good, state.trial = table, None
        elif state.trial is not None and _alike(table, state.trial.policies):
            state.trial = replace(state.trial, policies=table)
        else:
            self._begin(key, state, table, state.settings)

    def _begin(self, key: str, state: _State, table: Table, settings: RolloutSettings) -> None:
        nodes = settings.of == "nodes"
        chosen = nodes and _place(self._node, key) * 100 < settings.percentage
        percentage = settings.percentage if not nodes else 100.0 if chosen else 0.0
        state.trial = Trial(table, percentage, self._wall(), last_good=state.last_good if chosen else None)
        state.since, state.reported = None, False
        self._note(key, "began", f"a changed table is on trial: {described(state.trial)}")

    def _review(self, key: str, state: _State, counts_of: CountsOf) -> bool:
        trial, settings, now = state.trial, state.settings, self._wall()
        if settings is None:
            return False
        if trial is None or trial.returned:
            self._sample(key, state, counts_of)
            return False
        over = now - trial.began_at >= settings.until_s
        counts = counts_of(key) if trial.percentage else None
        least = 0 if over else settings.min_requests  # in the end, few requests are better than none
        if counts is not None and self._judge(key, state, counts, least):
            return True
        if not over:
            return False
        if not trial.percentage:  # the time of the chosen nodes is over
            state.trial, state.since = replace(trial, percentage=settings.percentage, began_at=now), None
            self._note(key, "began", f"a changed table is on trial: {described(state.trial)}")
            return True
        state.last_good, state.trial = trial.policies, None
        self._note(key, "ended", "the changed table is in force")
        return True

    def _sample(self, key: str, state: _State, counts_of: CountsOf) -> None:
        """Keeps some minutes of the past, for a trial of whole nodes."""
        if state.settings is None or state.settings.of != "nodes":
            return
        now = self._wall()
        if state.past and now - state.past[-1][0] < SAMPLE_EVERY_S:
            return
        counts = counts_of(key)
        if counts is not None:
            state.past = [*state.past, (now, counts.whole)][-SAMPLES_MOST:]

    def _judge(self, key: str, state: _State, counts: Counts, least: int) -> bool:
        """Whether the trial was taken back; it is not judged by fewer requests than `least`."""
        trial, settings = state.trial, state.settings
        assert trial is not None
        assert settings is not None
        if state.since is None:
            state.since = counts
            return False
        if trial.last_good is not None:
            new = counts.whole.since(state.since.whole)
            last_good = state.since.whole.since(state.past[0][1]) if state.past else Tally()
        else:
            new, last_good = counts.new.since(state.since.new), counts.last_good.since(state.since.last_good)
        if new.requests < least or not is_worse(new, last_good, settings.margin / 100):
            return False
        why = f"under the changed table {new}, under the last good one {last_good}"
        if settings.mode == "shadow":
            if not state.reported:
                state.reported = True
                self._note(key, "would-return", why)
            return False
        state.trial = replace(trial, percentage=0.0, returned=why, last_good=None)
        self._note(key, "returned", why)
        return True

    def _note(self, key: str, what: str, text: str) -> None:
        self._steps.append(Step(key, what, text))


def described(trial: Trial) -> str:
    """A trial in words."""
    if trial.returned:
        return f"taken back: {trial.returned}"
    if trial.last_good is not None:
        return "for all of this node"
    if not trial.percentage:
        return "on other nodes first"
    return f"for {trial.percentage:g} % of the requests"


def _in_force(state: _State) -> InForce:
    trial = state.trial
    whole = trial is not None and trial.last_good is not None
    return InForce(trial.policies if trial is not None and whole else state.last_good, trial)


def _settings(table: Table) -> RolloutSettings | None:
    """The settings of `rollout` in a valid table, None without them."""
    if NAME not in table:
        return None
    found = settings_of({NAME: table[NAME]})[NAME]
    assert isinstance(found, RolloutSettings)
    return found


def _alike(one: dict[str, Any], other: dict[str, Any]) -> bool:
    """Whether two tables differ in nothing but how they are rolled out."""
    if one is other:
        return True
    return {**one, NAME: None} == {**other, NAME: None}


def _place(node: str, key: str) -> float:
    """Of this node among all, for this service: from 0 to 1, evenly and always the same."""
    digest = blake2b(f"{node} {key}".encode(), digest_size=4).digest()
    return int.from_bytes(digest, "big") / NODE_STEPS
