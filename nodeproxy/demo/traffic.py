"""The tour's callers: each sends requests by mesh name from the address of its pod, through the proxy."""

import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass

import httpcore

from nodeproxy.demo.services import SERVED_BY

ADDRESSES = {"shop/cart": "127.0.0.21", "shop/batch": "127.0.0.22"}
"""Of the pods in shop.yaml."""
EFFECT_LIMIT_S = 60.0  # usually within a second; a busy machine is slower


class NoEffect(Exception):
    """A changed file had no effect in time; the text says on what."""


@dataclass(frozen=True, slots=True)
class Answer:
    """The response to one request."""

    caller: str
    service: str
    endpoint: str
    """Name in the response's x-served-by; "" if the mesh generated the response."""
    status: int
    seconds: float
    reason: str = ""
    """Its x-mesh-error, "" without one."""
    text: str = ""
    """Its body."""


class Caller:
    """A pod of the shop; `at_once` requests at a time."""

    def __init__(self, name: str, listen: str, at_once: int = 4) -> None:
        self._name = name
        self._listen = listen
        self._at_once = at_once
        self.answered: Counter[str] = Counter()
        """Responses so far, by service."""
        self._pool = httpcore.ConnectionPool(max_connections=at_once, local_address=ADDRESSES[name])

    def ask(self, service: str) -> Answer:
        """The response to one request."""
        began = time.perf_counter()
        answer = self._pool.request("GET", f"http://{self._listen}/", headers={"Host": f"{service}.shop.mesh"})
        fields = {name.lower().decode(): value.decode() for name, value in answer.headers}
        seconds = time.perf_counter() - began
        self.answered[service] += 1
        endpoint, reason = fields.get(SERVED_BY, ""), fields.get("x-mesh-error", "")
        return Answer(self._name, service, endpoint, answer.status, seconds, reason, answer.content.decode().strip())

    def ask_often(self, service: str, count: int) -> list[Answer]:
        """The responses to `count` requests."""
        with ThreadPoolExecutor(self._at_once) as threads:
            return [*threads.map(self.ask, [service] * count)]

    def ask_for(self, service: str, duration_s: float, pause_s: float) -> list[Answer]:
        """The responses to requests for a while; each place pauses so long after each response."""
        until = time.monotonic() + duration_s

        def keep_on() -> list[Answer]:
            answers = []
            while time.monotonic() < until:
                answers.append(self.ask(service))
                time.sleep(pause_s)
            return answers

        with ThreadPoolExecutor(self._at_once) as threads:
            places = [threads.submit(keep_on) for _ in range(self._at_once)]
            return [answer for place in places for answer in place.result()]

    def ask_until(self, service: str, claim: Callable[[Sequence[Answer]], bool], pause_s: float = 0.0) -> float:
        """Asks, one request after the other, until `claim` is true of the responses; returns how long that took.

        `pause_s` passes between two requests.

        Raises:
            NoEffect: it is not after EFFECT_LIMIT_S.
        """
        began, answers = time.monotonic(), list[Answer]()
        while (passed_s := time.monotonic() - began) < EFFECT_LIMIT_S:
            answers.append(self.ask(service))
            if claim(answers):
                return passed_s
            time.sleep(pause_s)
        last = answers[-1]
        raise NoEffect(f"after {EFFECT_LIMIT_S:.0f} s {service} still answers {last.status} from {last.endpoint}")

    def close(self) -> None:
        """Closes its connections."""
        self._pool.close()


@contextmanager
def caller(name: str, listen: str, at_once: int = 4) -> Iterator[Caller]:
    """A caller whose connections are closed in the end."""
    own = Caller(name, listen, at_once)
    try:
        yield own
    finally:
        own.close()
