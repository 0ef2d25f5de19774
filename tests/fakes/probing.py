"""What probes are made of, on loopback: a server, a table of targets, an endpoint's health. For trio's tests."""

from functools import partial

import trio

from nodeproxy.balance.health import Health
from nodeproxy.control.probes import Target
from nodeproxy.policies.health_check import HealthCheckSettings

PATIENCE_S = 60  # real seconds, only ever used up by a test that fails
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
BUSY = b"HTTP/1.1 503 Busy\r\nContent-Length: 0\r\n\r\n"


def settings(**written):
    usual = {"interval": "100ms", "timeout": "1m", "unhealthyThreshold": 1}
    return HealthCheckSettings.model_validate({**usual, **written})


class Server:
    """An HTTP server with one answer for everybody; None keeps silent, b"" hangs up."""

    def __init__(self, answer=OK):
        self.answer = answer
        self.heads = []
        self.name = ""
        self._came = trio.Event()

    async def run(self, task_status):
        """To be started in a nursery; its name is known then."""
        async with trio.open_nursery() as nursery:
            (listener,) = await nursery.start(partial(trio.serve_tcp, self._serve, 0, host="127.0.0.1"))
            self.name = f"127.0.0.1:{listener.socket.getsockname()[1]}"
            task_status.started()

    async def asked(self, times):
        """Wait for so many probes more."""
        until = len(self.heads) + times
        with trio.fail_after(PATIENCE_S):
            while len(self.heads) < until:
                self._came = trio.Event()
                await self._came.wait()

    async def _serve(self, stream):
        async with stream:
            head = b""
            while not head.endswith(b"\r\n\r\n"):
                data = await stream.receive_some()
                if not data:
                    return
                head += data
            self.heads.append(head)
            self._came.set()
            if self.answer is None:
                await trio.sleep_forever()
            await stream.send_all(self.answer)


class Table:
    """The targets in force; each look at them can be waited for."""

    def __init__(self, *targets):
        self.targets = list(targets)
        self._looked = trio.Event()

    def __call__(self):
        self._looked.set()
        self._looked = trio.Event()
        return iter(self.targets)

    async def looked(self, times):
        with trio.fail_after(PATIENCE_S):
            for _ in range(times):
                await self._looked.wait()


class Probed:
    """One endpoint as the worker sees it; `change` waits for the next change of its health."""

    def __init__(self, name, http2=False, connects=False, **written):
        self.http2 = http2
        self.connects = connects
        self.health = Health()
        self.counted = []
        self._report, self._reported = trio.open_memory_channel(99)
        self.target = self.asking(name, **written)

    def asking(self, name, **written):
        return Target(
            name,
            b"web.shop.mesh",
            self.http2,
            self.health,
            settings(**written),
            self._changed,
            self.counted.append,
            self.connects,
        )

    def _changed(self):
        self._report.send_nowait("down" if self.health.probes_down else "up")

    async def change(self):
        with trio.fail_after(PATIENCE_S):
            return await self._reported.receive()

    def nothing_changed(self):
        return self._reported.statistics().current_buffer_used == 0
