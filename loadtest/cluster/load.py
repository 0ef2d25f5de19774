"""Requests that never stop, while something happens: each failure is remembered."""

import http.client
import threading
import time
from collections import Counter

from loadtest.cluster.world import LISTEN, ask

PAUSE_S = 0.002


class Load:
    """Asks services in turn, on a kept connection and on a new one by turns, in a thread of its own."""

    def __init__(self, services: list[str]) -> None:
        self._services = services
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run)
        self.requests = 0
        self.failures: Counter[str] = Counter()

    def __enter__(self) -> "Load":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()

    def _run(self) -> None:
        kept = http.client.HTTPConnection(*LISTEN, timeout=20)
        while not self._stop.is_set():
            service = self._services[self.requests % len(self._services)]
            fresh = bool(self.requests // len(self._services) % 2)
            connection = http.client.HTTPConnection(*LISTEN, timeout=20) if fresh else kept
            self.requests += 1
            try:
                status, text = ask(connection, service)
                if status != 200:
                    self.failures[f"{status} {text[:80]}"] += 1
            except (OSError, http.client.HTTPException) as error:
                self.failures[f"{type(error).__name__} {'fresh' if fresh else 'kept'}"] += 1
                connection.close()
            finally:
                if fresh:
                    connection.close()
            time.sleep(PAUSE_S)
