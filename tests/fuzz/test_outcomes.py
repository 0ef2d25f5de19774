"""What `outcomes.py` says of bytes: all that could differ between builds, and nothing that is of one process."""

import os
import re
import subprocess
import sys
from pathlib import Path
from random import Random

import pytest

from nodeproxy.mesh.build import lane
from tests.fuzz.http2_bytes import Sender
from tests.fuzz.outcomes import KINDS, LIMITS, fields, hello, http2, path, pieces_of, redis, stream, tried
from tests.fuzz.test_builds import HELLOS, SEEDS

ROOT = Path(__file__).parents[2]
HEAD = b"GET / HTTP/1.1\r\nHost: web.shop.mesh\r\n"


def test_the_same_is_said_in_another_process():
    cases = [(kind, data) for kind, of_kind in {**SEEDS, "hello": HELLOS}.items() for data in of_kind]
    cases.append(("http2_stream", Sender(Random(7)).all()))

    done = subprocess.run(
        [sys.executable, "-m", "tests.fuzz.outcomes"], cwd=ROOT, env={**os.environ, "PYTHONHASHSEED": "7"}, check=True,
        text=True, stdout=subprocess.PIPE, input="".join(f"{kind} {data.hex()}\n" for kind, data in cases),
    )  # fmt: skip

    said, *outcomes = done.stdout.splitlines()
    assert said == lane() and {kind for kind, _ in cases} == set(KINDS)
    assert outcomes == [repr(tried(KINDS[kind], data)) for kind, data in cases]


def test_pieces_are_the_data_and_cut_by_it_alone():
    data = bytes(range(256)) * 8

    assert b"".join(pieces_of(data)) == data and len(pieces_of(data)) > 5
    assert pieces_of(data) == pieces_of(bytes(data))


def test_an_error_is_said_by_its_class_and_text():
    assert tried(int, "7") == 7
    assert tried(int, "x") == ("ValueError", "invalid literal for int() with base 10: 'x'")


@pytest.mark.parametrize(("kind", "start"), [("request", HEAD), ("response", b"HTTP/1.1 200 OK\r\n")])
def test_a_head_is_read_by_both_readers_within_either_limits(kind, start):
    wide, same, narrow, too = KINDS[kind](start + b"A: b\r\n" * 5 + b"\r\n")

    assert (wide, narrow) == (same, too) and len(LIMITS) == 2
    assert wide != narrow and isinstance(narrow[0], str)


def test_a_body_is_read_with_every_framing():
    chunked, five, all_of_it, until_close = KINDS["body"](b"5\r\nhello\r\n0\r\n\r\n")

    assert b"".join(each for each in chunked[0] if isinstance(each, bytes)) == b"hello" and chunked[2]
    assert five[3] == b"llo\r\n0\r\n\r\n" and all_of_it[2:] == (True, b"")
    assert until_close[0] == pieces_of(b"5\r\nhello\r\n0\r\n\r\n")


def test_fields_are_read_in_every_way_and_edited():
    trace, b3 = b"a" * 32 + b"-" + b"b" * 16, b"c" * 32 + b"-" + b"d" * 16
    lines = (
        b"x-a: as long as the line", b"retry-after: 9", b"traceparent: 00-%b-01" % trace, b"b3: %b-1" % b3,
        b"grpc-status: 3", b"grpc-timeout: 5S", b"forwarded: for=1", b"x-c: 1",
    )  # fmt: skip

    (got, only, after_s, *parents, status, forwarded, (timeout_s, left)), block = fields(b"\n".join(lines))

    assert got == only == b"as long as the line" and (after_s, status, timeout_s) == (9.0, 3, 5.0)
    assert [(each.trace_id[:1], each.b3) for each in parents] == [(b"", b""), (b"c", b"b3"), (b"a", b""), (b"a", b"b3")]
    assert forwarded.elements == b"for=1" and b"grpc-timeout" not in left and b"grpc-status" in left
    assert block.startswith(b"retry-after") and block.endswith(b"\r\nx-b: x-a: as long as the\r\n")
    assert block.count(b"x-b:") == 2 and b"x-c" not in block


def test_frames_are_read_as_requests_and_responses_by_both_readers():
    asked, too, answered, also = http2(SEEDS["http2"][0])
    broken = http2(SEEDS["http2"][1])

    assert (asked, answered) == (too, also) and asked != answered
    assert [(frames, error[0]) for frames, error in broken] == [([], 6)] * 4


def test_commands_paths_and_server_names_are_said_whole():
    assert redis(b"*1\r\n$4\r\nPING\r\n*1\r\n$4\r\nPING\r\n") == ([("ping", 2)], [])
    assert path(b"/a/../b;x=1")[:2] == (b"/b;x=1", b"/b") and len(path(b"/")) == 3
    assert [len(hello(each)) for each in HELLOS] == [len(pieces_of(each)) for each in HELLOS]


def test_a_connection_is_said_at_both_ends_and_without_what_each_run_has_of_its_own():
    said, counted, bugs = stream(HEAD + b"\r\n")

    assert said[0].startswith(b"GET / HTTP/1.1\r\n") and said[-1].startswith(b"HTTP/1.1 ")
    assert not re.search(rb"(?i)\ndate:|127\.0\.0\.1:", b"".join(said))
    assert [sum(each[-1] for each in of_port) for of_port in counted] == [0, 1] and bugs == []
