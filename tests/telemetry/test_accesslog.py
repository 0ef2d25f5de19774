"""Lines of the access log: complete or counted as lost, whatever stands in them and however slow their reader is."""

import errno
import fcntl
import json
import os
import threading
from contextlib import suppress

import pytest
import trio
import trio.lowlevel

from nodeproxy.telemetry import accesslog
from nodeproxy.telemetry.accesslog import AccessLines
from nodeproxy.telemetry.stats import WorkerStats

NOON = 1_700_049_600.25


class Pipe:
    """Access lines in front of a pipe, and what comes out of it."""

    def __init__(self, style="json"):
        self.stats = WorkerStats()
        self.reader, self.writer = os.pipe()
        self.lines = AccessLines(style, self.stats, lambda: NOON, self.writer)

    def close(self):
        os.close(self.writer)

    def read(self):
        """All that was written, to the end; the pipe is closed then."""
        self.close()
        with open(self.reader, "rb") as output:
            return output.read()


def test_json_is_an_object_a_line():
    pipe = Pipe("json")

    pipe.lines.add({"method": "GET", "status": 200, "seconds": 0.25})
    pipe.lines.flush()

    time = "2023-11-15T12:00:00.250+00:00"
    assert json.loads(pipe.read()) == {"time": time, "method": "GET", "status": 200, "seconds": 0.25}


def test_text_is_the_time_and_the_fields():
    pipe = Pipe("text")

    pipe.lines.add({"method": "GET", "status": 200, "seconds": 0.25})
    pipe.lines.flush()

    assert pipe.read() == b'2023-11-15T12:00:00.250+00:00 method="GET" status=200 seconds=0.25\n'


@pytest.mark.parametrize("style", ["json", "text"])
@pytest.mark.parametrize(
    "value", ["a\nb", "\r", "\x1b[2J", "\x85", "\u2028", '" status=500 x="', "\x00", "\xe9", "\x7f"]
)
def test_a_client_cannot_end_a_line_or_forge_a_field(style, value):
    pipe = Pipe(style)

    pipe.lines.add({"host": value, "status": 200})
    pipe.lines.flush()

    written = pipe.read().decode("ascii")
    assert len(written.splitlines()) == 1 and written[:-1].isprintable()
    assert json.dumps(value).replace("\x7f", "\\u007f") in written


def test_nothing_is_written_before_the_flush_and_nothing_twice():
    pipe = Pipe()
    os.set_blocking(pipe.reader, False)
    pipe.lines.add({"n": 1})
    with pytest.raises(BlockingIOError):
        os.read(pipe.reader, 1)

    for _ in range(3):
        pipe.lines.flush()

    os.set_blocking(pipe.reader, True)
    assert pipe.read().count(b"\n") == 1


def test_lines_beyond_the_bound_are_lost_and_counted(monkeypatch):
    monkeypatch.setattr(accesslog, "HELD_MOST", 3)
    pipe = Pipe()
    for number in range(5):
        pipe.lines.add({"n": number})
    pipe.lines.flush()
    pipe.lines.add({"n": 5})
    pipe.lines.flush()

    numbers = [json.loads(line)["n"] for line in pipe.read().splitlines()]
    assert numbers == [0, 1, 2, 5]
    assert pipe.stats.log_lines_lost == 2


def test_a_reader_that_takes_little_at_a_time_gets_every_byte():
    pipe, received = Pipe(), []
    for number in range(10_000):
        pipe.lines.add({"n": number, "padding": "x" * 40})

    def read():
        while data := os.read(pipe.reader, 1000):
            received.append(data)

    reader = threading.Thread(target=read)
    reader.start()
    pipe.lines.flush()  # about 1 MB through a pipe of 64 KiB
    pipe.close()
    reader.join()
    os.close(pipe.reader)

    assert [json.loads(line)["n"] for line in b"".join(received).splitlines()] == list(range(10_000))


def test_a_write_that_takes_only_a_part_is_gone_on_with(monkeypatch):
    pipe, sizes = Pipe(), []
    write = os.write

    def in_sevens(descriptor, data):
        sizes.append(write(descriptor, data[:7]))
        return sizes[-1]

    pipe.lines.add({"n": 1})
    monkeypatch.setattr(accesslog.os, "write", in_sevens)
    pipe.lines.flush()
    monkeypatch.undo()

    assert len(sizes) > 1
    assert json.loads(pipe.read())["n"] == 1


def test_a_reader_that_has_gone_costs_lines_which_are_counted_and_nothing_else():
    pipe = Pipe()
    os.close(pipe.reader)

    for _ in range(2):
        pipe.lines.add({"n": 1})
        pipe.lines.flush()

    pipe.close()
    assert pipe.stats.log_lines_lost == 2


def test_a_full_disk_costs_lines_and_those_after_it_are_whole(monkeypatch):
    pipe, write, taken = Pipe(), os.write, []
    pipe.lines.add({"n": 1})

    def full_after_ten_bytes(descriptor, data):
        if taken:
            raise OSError(errno.ENOSPC, "No space left on device")
        taken.append(write(descriptor, data[:10]))
        return taken[0]

    monkeypatch.setattr(accesslog.os, "write", full_after_ten_bytes)
    pipe.lines.flush()
    monkeypatch.undo()
    pipe.lines.add({"n": 2})
    pipe.lines.flush()

    assert [json.loads(line)["n"] for line in pipe.read().splitlines()[1:]] == [2]
    assert pipe.stats.log_lines_lost == 1


def test_a_stdout_that_does_not_block_is_waited_for():
    pipe, received = Pipe(), []
    os.set_blocking(pipe.writer, False)
    for number in range(5000):
        pipe.lines.add({"n": number, "padding": "x" * 40})
    reader = threading.Thread(target=lambda: received.extend(iter(lambda: os.read(pipe.reader, 5000), b"")))
    reader.start()

    pipe.lines.flush()

    pipe.close()
    reader.join()
    os.close(pipe.reader)
    assert b"".join(received).count(b"\n") == 5000
    assert pipe.stats.log_lines_lost == 0


def test_lines_are_bounded_in_bytes_too(monkeypatch):
    monkeypatch.setattr(accesslog, "HELD_MOST_BYTES", 1000)
    pipe = Pipe()
    for _ in range(10):
        pipe.lines.add({"path": "/" + "x" * 600})
    pipe.lines.flush()
    pipe.lines.add({"path": "/"})
    pipe.lines.flush()

    assert pipe.read().count(b"\n") == 3
    assert pipe.stats.log_lines_lost == 8


@pytest.mark.trio
async def test_a_worker_that_ends_does_not_wait_for_a_stdout_that_blocks():
    pipe = Pipe()
    os.write(pipe.writer, b"x" * fcntl.fcntl(pipe.writer, fcntl.F_GETPIPE_SZ))
    pipe.lines.add({"n": 1})

    async with trio.open_nursery() as nursery:
        nursery.start_soon(pipe.lines.flush_in_thread)
        while not pipe.lines.writing:
            await trio.lowlevel.checkpoint()
        pipe.lines.add({"n": 2})
        nursery.cancel_scope.cancel()

    assert pipe.lines.writing
    os.set_blocking(pipe.reader, False)
    while pipe.lines.writing:  # the thread ends when it can write
        with suppress(BlockingIOError):
            os.read(pipe.reader, 4096)
    pipe.lines.flush()
    os.set_blocking(pipe.reader, True)
    assert [json.loads(line)["n"] for line in pipe.read().splitlines()[-1:]] == [2]
