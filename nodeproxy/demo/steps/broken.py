"""An endpoint breaks: it is ejected, and no client sees a failure."""

import re
import threading
import time
from subprocess import Popen

from nodeproxy.demo.mesh import REPORT_LIMIT_S
from nodeproxy.demo.shop import OUTLIERS
from nodeproxy.demo.stage import Stage
from nodeproxy.demo.table import rendered
from nodeproxy.demo.traffic import Caller, caller

REQUESTS = 200
BROKEN = "reviews-b"
ATTEMPT = "attempt at"
TAP_PAUSE_S = 0.05  # a tap shows at most 100 requests a second of a worker


def show(stage: Stage) -> None:
    """Breaks one of the two endpoints of reviews, and mends it."""
    endpoint = stage.endpoints[BROKEN]
    stage.say(f"{stage.shop.policy.name} has for reviews.shop:")
    for line in OUTLIERS.splitlines():
        stage.say(f"  {line}")
    with caller("shop/cart", stage.mesh.listen) as cart:
        try:
            _break(stage, cart)
        finally:
            endpoint.fails = False
        back_s = cart.ask_until("reviews", lambda answers: answers[-1].endpoint == BROKEN)
    stage.say(f"{BROKEN} works again, and {back_s:.1f} s later, at the end of its ejection, it gets requests again.")
    stage.see("service/reviews.shop", "nodeproxy tap reviews.shop --from shop/cart")


def _break(stage: Stage, cart: Caller) -> None:
    endpoint, start = stage.endpoints[BROKEN], stage.mesh.counters()
    with stage.mesh.started("tap", "reviews.shop") as process:
        tap = _Tap(process)
        cart.ask_until("reviews", lambda _: tap.has_request, TAP_PAUSE_S)  # from now on it sees all
        before, received = stage.after(start, "reviews", cart.answered["reviews"]), endpoint.received
        endpoint.fails = True
        stage.say(f"From now on {BROKEN} answers 503 to every request. shop/cart sends {REQUESTS} requests.")
        stage.table(rendered("what the client saw", cart.ask_often("reviews", REQUESTS)))
        stage.say(f"{BROKEN} got {endpoint.received - received} of them, and was then ejected.")
        stage.say("A retry at the other endpoint hid each failure.")
        after = stage.after(before, "reviews", REQUESTS)
        tap.await_tried_twice()
        process.terminate()
    wanted = [
        ("nodeproxy_outlier_ejections_total", {"service": "reviews"}),
        ("nodeproxy_retries_total", {"service": "reviews"}),
        ("nodeproxy_requests_total", {"service": "reviews", "status": "200"}),
        ("nodeproxy_requests_total", {"service": "reviews", "status": "503"}),
    ]
    stage.counted(before, after, wanted)
    stage.run("endpoints", "reviews.shop")
    stage.say("One of the retried requests, as `nodeproxy tap reviews.shop` shows it live:")
    stage.say(tap.tried_twice())


class _Tap:
    """The lines of a tap, read while it runs."""

    def __init__(self, process: "Popen[str]") -> None:
        self._lines: list[str] = []
        self._thread = threading.Thread(target=self._read, args=(process,))
        self._thread.start()

    def _read(self, process: "Popen[str]") -> None:
        assert process.stdout is not None
        for line in process.stdout:
            self._lines.append(line)

    @property
    def has_request(self) -> bool:
        """Whether a request has been shown."""
        return any(ATTEMPT in line for line in self._lines)

    def await_tried_twice(self) -> None:
        """Waits until a request that was tried twice has been shown, for REPORT_LIMIT_S at most.

        The command has a lower priority than requests have: on a busy machine it is behind them.
        """
        until = time.monotonic() + REPORT_LIMIT_S
        while not any(map(_tried_twice, self._requests()[:-1])) and time.monotonic() < until:  # the last is not whole
            time.sleep(TAP_PAUSE_S)

    def tried_twice(self) -> str:
        """Its lines about the first request that was tried twice, once the tap has ended; "" without one."""
        self._thread.join()
        found = next(filter(_tried_twice, self._requests()), "")
        return "".join(f"  {line}\n" for line in found.splitlines())

    def _requests(self) -> list[str]:
        """The text of each request."""
        return re.split(r"^(?=\S)", "".join(self._lines), flags=re.MULTILINE)


def _tried_twice(request: str) -> bool:
    return request.count(ATTEMPT) > 1
