"""Socket handover: the supervisor holds a copy of each socket that a worker opens, so that queued clients survive it.

The worker sends each socket over a Unix socket (SCM_RIGHTS, unix(7)) and reports each one it closes; the next worker,
forked from the supervisor, inherits them open. A socket that cannot be sent is not held; nothing else depends on it.
"""

import array
import fcntl
import os
import signal
import socket
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress

import msgspec

Key = tuple[str, str, int]
"""The purpose of a socket, and its address."""
SIGNAL = signal.SIGURG  # to the supervisor when there is something to receive; ignored by default
BATCH = 200  # sockets in one message; the kernel takes 253 (SCM_MAX_FD)
_NUMBER_BYTES = array.array("i").itemsize
_MESSAGE_BYTES = 64 * 1024
_keys = msgspec.json.Decoder(list[Key])


class HeldSockets:
    """One worker's sockets. Created by the supervisor; the worker has its own copy after the fork.

    The supervisor holds only sockets whose descriptor is below `ceiling`: it needs the others to start processes.

    The supervisor calls `receive`; the worker `begin`, then `opened`, `left`, `closed` and `flush`; both `close`.
    """

    def __init__(self, ceiling: int = 1 << 30) -> None:
        self._ceiling = ceiling
        self._sockets: dict[Key, socket.socket] = {}
        self._opened: dict[Key, socket.socket] = {}
        self._supervisor, self._worker = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        for end in (self._supervisor, self._worker):
            end.setblocking(False)
        fcntl.fcntl(self._supervisor, fcntl.F_SETOWN, os.getpid())
        fcntl.fcntl(self._supervisor, fcntl.F_SETSIG, SIGNAL)
        fcntl.fcntl(self._supervisor, fcntl.F_SETFL, os.O_ASYNC | os.O_NONBLOCK)

    def close(self) -> None:
        """Close this process' copies, and sockets that are in transit to it."""
        for sock in (*self._sockets.values(), self._supervisor, self._worker):
            sock.close()
        self._sockets.clear()

    def receive(self) -> None:
        """Receive what the worker has sent."""
        with suppress(BlockingIOError):
            while True:
                room = socket.CMSG_SPACE(BATCH * _NUMBER_BYTES)
                message, ancillary, _flags, _address = self._supervisor.recvmsg(_MESSAGE_BYTES, room)
                numbers = array.array("i")
                for _level, _type, data in ancillary:
                    numbers.frombytes(data[: len(data) - len(data) % _NUMBER_BYTES])
                keys = _keys.decode(message)
                for key in keys:  # reopened or closed: the held copy is stale
                    if key in self._sockets:
                        self._sockets.pop(key).close()
                for key, number in zip(keys, numbers, strict=False):  # fewer arrive when out of descriptors
                    if number < self._ceiling:
                        self._sockets[key] = socket.socket(fileno=number)
                    else:
                        os.close(number)

    def begin(self) -> None:
        """Close the supervisor's end, in a worker that has just been forked."""
        self._supervisor.close()

    def opened(self, key: Key, make: Callable[[], socket.socket]) -> socket.socket:
        """The previous worker's socket, or one that `make` returns; `flush` sends new ones to the supervisor."""
        sock = self._sockets.pop(key, None)
        if sock is None:
            sock = self._opened[key] = make()
        return sock

    def left(self, purpose: str) -> list[Key]:
        """Sockets of the previous worker that have not been reused yet."""
        return [key for key in self._sockets if key[0] == purpose]

    def closed(self, *keys: Key) -> None:
        """Release the sockets that the worker has closed or does not need: no client may queue in them."""
        for key in keys:
            self._opened.pop(key, None)
            if key in self._sockets:
                self._sockets.pop(key).close()
        for batch in _batches(keys):
            self._send(batch, ())

    def flush(self) -> None:
        """Send the sockets opened since the last call to the supervisor."""
        for batch in _batches(self._opened):
            self._send(batch, [self._opened[key].fileno() for key in batch])
        self._opened.clear()

    def _send(self, keys: list[Key], numbers: Sequence[int]) -> None:
        ancillary = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", numbers))] if numbers else []
        with suppress(OSError):  # the supervisor is ending or its queue is full: not held
            self._worker.sendmsg([msgspec.json.encode(keys)], ancillary)


def _batches(keys: Iterable[Key]) -> Iterable[list[Key]]:
    waiting = list(keys)
    return [waiting[start : start + BATCH] for start in range(0, len(waiting), BATCH)]
