"""Sockets that a worker opens while it runs, held by its supervisor too: clients outwait the worker's death in them.

The worker sends each by a Unix socket (SCM_RIGHTS, unix(7)) and says when one has closed; the next worker, forked from
the supervisor, finds them open. What cannot be sent is not held, and nothing else depends on it.
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
"""What a socket is for, and its address."""
SIGNAL = signal.SIGURG  # to the supervisor when there is something to receive; ignored where nobody waits for it
BATCH = 200  # sockets in one message; the kernel takes 253 (SCM_MAX_FD)
_NUMBER_BYTES = array.array("i").itemsize
_MESSAGE_BYTES = 64 * 1024
_keys = msgspec.json.Decoder(list[Key])


class HeldSockets:
    """One worker's sockets. Made by the supervisor; the worker has its own copy from the fork on.

    The supervisor holds no sockets whose descriptor is not below `ceiling`: it needs some to start processes with.

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
        """Close this process' copies, and what is on its way to it."""
        for sock in (*self._sockets.values(), self._supervisor, self._worker):
            sock.close()
        self._sockets.clear()

    def receive(self) -> None:
        """Take what the worker has sent."""
        with suppress(BlockingIOError):
            while True:
                room = socket.CMSG_SPACE(BATCH * _NUMBER_BYTES)
                message, ancillary, _flags, _address = self._supervisor.recvmsg(_MESSAGE_BYTES, room)
                numbers = array.array("i")
                for _level, _type, data in ancillary:
                    numbers.frombytes(data[: len(data) - len(data) % _NUMBER_BYTES])
                keys = _keys.decode(message)
                for key in keys:  # opened anew or closed: the one in hand is over
                    if key in self._sockets:
                        self._sockets.pop(key).close()
                for key, number in zip(keys, numbers, strict=False):  # without descriptors fewer come than were sent
                    if number < self._ceiling:
                        self._sockets[key] = socket.socket(fileno=number)
                    else:
                        os.close(number)

    def begin(self) -> None:
        """In a worker that has just been forked: what it sends is the supervisor's to receive."""
        self._supervisor.close()

    def opened(self, key: Key, make: Callable[[], socket.socket]) -> socket.socket:
        """The socket that the worker before had, or one that `make` gives; `flush` lets the supervisor have it."""
        sock = self._sockets.pop(key, None)
        if sock is None:
            sock = self._opened[key] = make()
        return sock

    def left(self, purpose: str) -> list[Key]:
        """Sockets of the worker before that nobody has asked for yet."""
        return [key for key in self._sockets if key[0] == purpose]

    def closed(self, *keys: Key) -> None:
        """The worker has closed these, or does not want them: nobody is to wait in them."""
        for key in keys:
            self._opened.pop(key, None)
            if key in self._sockets:
                self._sockets.pop(key).close()
        for batch in _batches(keys):
            self._send(batch, ())

    def flush(self) -> None:
        """Let the supervisor have what has been opened."""
        for batch in _batches(self._opened):
            self._send(batch, [self._opened[key].fileno() for key in batch])
        self._opened.clear()

    def _send(self, keys: list[Key], numbers: Sequence[int]) -> None:
        ancillary = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", numbers))] if numbers else []
        with suppress(OSError):  # the supervisor ends, or is behind: not held
            self._worker.sendmsg([msgspec.json.encode(keys)], ancillary)


def _batches(keys: Iterable[Key]) -> Iterable[list[Key]]:
    waiting = list(keys)
    return [waiting[start : start + BATCH] for start in range(0, len(waiting), BATCH)]
