"""The parent of a node's processes: starts discovery and the workers, restarts those that exit, ends them together.

Synchronous and small on purpose. All are forked with the data plane's modules imported: they share that memory, and
workers are replaced within milliseconds. The supervisor holds the listening sockets: connections wait in the kernel's
queue while a worker is replaced.
"""

import gc
import logging
import os
import signal
import tempfile
import time
from functools import partial
from pathlib import Path

import trio

from nodeproxy.io import handover as held
from nodeproxy.io.capacity import raise_open_files
from nodeproxy.limits.memory import Memory
from nodeproxy.mesh.build import this_build
from nodeproxy.policies.block import Policy
from nodeproxy.policies.guard import guarded
from nodeproxy.policies.registry import BUILT_IN
from nodeproxy.process import discovery
from nodeproxy.process.child import Child
from nodeproxy.process.sockets import CannotListen, look_at_metrics, opened
from nodeproxy.process.stuck import StuckWorkers
from nodeproxy.process.worker import Worker
from nodeproxy.settings import Settings, ready_file
from nodeproxy.telemetry.whereabouts import Whereabouts

GRACE_S = 3.0  # added to the workers' drain limit before they are killed
SIGNALS = {signal.SIGCHLD, signal.SIGTERM, signal.SIGINT, held.SIGNAL}
log = logging.getLogger(__name__)


class Supervisor:
    """Runs one discovery and the workers until SIGTERM or SIGINT.

    Raises:
        CannotListen: an address is in use, not local, or its port requires a privilege.
    """

    def __init__(self, settings: Settings, run_dir: Path, own: tuple[Policy, ...] = ()) -> None:
        self._settings = settings
        self._own = own
        self._whereabouts = Whereabouts(settings.workers)
        names = tuple(policy.name for policy in own)
        self._stuck = StuckWorkers(self._whereabouts, names, settings.own_policy_limit_s, time.monotonic)
        self._lifeline = -1
        self._limits = Memory.shared()
        self._addresses = {"listen": settings.listen, "admin": settings.admin, "metrics": settings.metrics}
        self._addresses |= {"listen_tls": settings.listen_tls} if settings.listen_tls else {}
        self._discovery = discovery.Task(settings, run_dir, self._limits.descriptor, BUILT_IN.with_own(own))
        ready_file(run_dir).unlink(missing_ok=True)  # left by an earlier run
        look_at_metrics(settings)
        self._sockets = {index: opened(settings, index) for index in range(settings.workers)}
        self._children = [Child("discovery", self._start_discovery)]
        self._children += [
            Child(f"worker-{index}", partial(self._start_worker, index), partial(self._close_sockets, index))
            for index in self._sockets
        ]

    def run(self) -> int:
        """Run the processes; returns the exit status: 0 after a graceful shutdown, 1 if a process had to be killed."""
        signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)
        this_build()  # here, because discovery says it too
        gc.collect()
        gc.freeze()  # a collection in a child would write to, and so copy, every page with an object of before
        for child in self._children:
            child.run()
        log.info("started", extra={"build": str(this_build()), **self._addresses})
        while self._wait(self._patience_s()) not in (signal.SIGTERM, signal.SIGINT):
            self._reap()
            self._end_stuck()
            for child in self._children:
                if not child.pid and time.monotonic() >= child.restart_at:
                    child.run()
        return self._end()

    def _end_stuck(self) -> None:
        """Kill workers that a custom policy holds up; they are replaced like all that exit."""
        if not self._own:
            return
        pids = {index: child.pid for index, child in enumerate(self._children[1:]) if child.pid}
        for worker, pid, policy, held_s in self._stuck.look(pids):
            facts = {"worker": worker, "policy": policy, "held_s": round(held_s, 1)}
            log.error("a custom policy did not return; the worker is replaced", extra=facts)
            os.kill(pid, signal.SIGKILL)

    def _end(self) -> int:
        """Drain the workers while discovery still updates them, then end discovery."""
        for index in tuple(self._sockets):  # while one copy is open, the kernel assigns connections to it
            self._close_sockets(index)
        workers = self._children[1:]
        self._signal(workers, signal.SIGTERM)
        clean = self._await_end(workers, self._settings.drain_timeout_s + GRACE_S)
        self._signal(self._children, signal.SIGTERM)
        clean = self._await_end(self._children, GRACE_S) and clean
        self._signal(self._children, signal.SIGKILL)
        return 0 if clean else 1

    def _await_end(self, children: list[Child], limit_s: float) -> bool:
        until = time.monotonic() + limit_s
        while any(child.pid for child in children) and time.monotonic() < until:
            self._wait(min(0.5, max(0.0, until - time.monotonic())))
            self._reap(restart=False)
        return not any(child.pid for child in children)

    def _wait(self, limit_s: float) -> int:
        received = signal.sigtimedwait(SIGNALS, limit_s)
        for sockets in self._sockets.values():
            sockets.held.receive()
        return received.si_signo if received is not None else 0

    def _patience_s(self) -> float:
        waiting = [child.restart_at - time.monotonic() for child in self._children if not child.pid]
        return max(0.0, min(waiting, default=self._stuck.every_s if self._own else 60.0))

    def _reap(self, restart: bool = True) -> None:
        for child in self._children:
            pid, status = os.waitpid(child.pid, os.WNOHANG) if child.pid else (0, 0)
            if pid and restart:
                child.ended(status)
            elif pid:
                child.pid = 0

    def _signal(self, children: list[Child], number: int) -> None:
        for child in children:
            if child.pid:
                os.kill(child.pid, number)

    def _start_discovery(self) -> int:
        try:
            return self._forked_discovery()
        except OSError as error:  # lack of descriptors, memory or processes: retried later
            log.error("discovery failed to start", extra={"error": str(error)})
            return 0

    def _forked_discovery(self) -> int:
        # Its stdin reaches EOF when this process dies, which ends discovery.
        if self._lifeline >= 0:
            os.close(self._lifeline)
            self._lifeline = -1
        reading, self._lifeline = os.pipe()
        try:
            return discovery.forked(self._discovery.run, reading, self._leave_all)
        finally:
            os.close(reading)

    def _leave_all(self) -> None:
        """Close, in the child that becomes discovery, what only this process and the workers use."""
        _name("discovery")
        _unblock_signals()
        os.close(self._lifeline)
        for index in tuple(self._sockets):
            self._close_sockets(index)

    def _start_worker(self, index: int) -> int:
        try:
            sockets = self._sockets[index] = self._sockets.get(index) or opened(self._settings, index)
            parent = os.getpid()
            pid = os.fork()
        except (CannotListen, OSError) as error:  # worked before: retried later
            log.error("worker failed to start", extra={"worker": index, "error": str(error)})
            return 0
        if pid:
            return pid
        status = 1
        try:
            _name(f"worker-{index}")
            _unblock_signals()
            _die_with(parent)
            self._leave_others(index)
            sockets.held.begin()
            registry = BUILT_IN.with_own(guarded(self._own, self._whereabouts.cell(index)))
            trio.run(Worker(self._settings, str(self._discovery.socket), sockets, self._limits, index, registry).run)
            status = 0
        except OSError as error:
            log.error("worker failed to start", extra={"worker": index, "error": str(error)})
        except BaseException:
            log.exception("worker failed", extra={"worker": index})
        finally:
            os._exit(status)

    def _leave_others(self, index: int) -> None:
        """Close, in worker `index`, what is for this process and for other workers."""
        if self._lifeline >= 0:  # a stuck worker would keep discovery alive, and its listeners, without a supervisor
            os.close(self._lifeline)
        for other in self._sockets.keys() - {index}:
            self._close_sockets(other)

    def _close_sockets(self, index: int) -> None:
        if index in self._sockets:
            self._sockets.pop(index).close()


def run(settings: Settings, own: tuple[Policy, ...] = ()) -> int:
    """Run a node's processes until SIGTERM, with these custom policies; returns the exit status.

    Raises:
        CannotListen: see `Supervisor`.
    """
    raise_open_files()
    if settings.run_dir:
        Path(settings.run_dir).mkdir(parents=True, exist_ok=True)
        return Supervisor(settings, Path(settings.run_dir), own).run()
    with tempfile.TemporaryDirectory(prefix="nodeproxy-") as folder:
        return Supervisor(settings, Path(folder), own).run()


def _name(name: str) -> None:
    """Name this process for `ps -o comm` and top: its command line is the supervisor's."""
    Path("/proc/self/comm").write_text(name)


def _unblock_signals() -> None:
    signal.pthread_sigmask(signal.SIG_UNBLOCK, SIGNALS)


def _die_with(parent: int) -> None:
    """Make the kernel send SIGTERM when the supervisor dies (prctl(2), PR_SET_PDEATHSIG)."""
    import ctypes

    pr_set_pdeathsig = 1
    ctypes.CDLL(None).prctl(pr_set_pdeathsig, signal.SIGTERM)
    if os.getppid() != parent:
        os._exit(1)
