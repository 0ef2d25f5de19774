"""The compiled build and its source make the same of the same random bytes, in the same pieces.

The other build runs in a process of its own, for a process imports one. Where nothing is compiled there is nothing to
compare: `make test-compiled` runs this.
"""

import os
import subprocess
import sys
from pathlib import Path
from random import Random

import pytest

from loadtest.builds import environment_of
from loadtest.toolbox import Toolbox
from nodeproxy.protocol.http2.codes import PREFACE
from tests.fakes.builds import COMPILED
from tests.fakes.hellos import hello, name, names, records
from tests.fuzz.http2_bytes import Sender
from tests.fuzz.outcomes import KINDS, tried
from tests.fuzz.test_smuggling import CORPUS, HOSTILE

ROOT = Path(__file__).parents[2]
SEEDS = {
    "request": CORPUS + HOSTILE,
    "response": (
        b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nDate: now\r\n\r\nok",
        b"HTTP/1.1 101 \r\nUpgrade: chat\r\nConnection: upgrade\r\n\r\n",
        b"HTTP/1.0 503\r\nTransfer-Encoding: gzip, chunked\r\nKeep-Alive: timeout=5\r\n\r\n",
    ),
    "body": (b"5;x=y\r\nhello\r\n0\r\nA: b\r\n\r\nrest", b"hello", b"1\r\na\r\nffffffffff\r\n"),
    "http2": (
        bytes.fromhex("0000050105000000018286844180" "000004000000000001" "61626364" "00000408000000000000000001"),
        bytes.fromhex("00000006000000000000" "000008060000000000" "0102030405060708" "0000040300000000010000000800"),
    ),
    "redis": (b"*2\r\n$3\r\nGET\r\n$1\r\na\r\nPING\r\n*1\r\n$4\r\nPING\r\n", b"*-1\r\n", b"$3\r\n"),
    "fields": (
        b"x-a: 1\nX-A: 2\ntraceparent: 00-" + b"a" * 32 + b"-" + b"b" * 16 + b"-01\nretry-after: 3\ngrpc-timeout: 5S",
        b"b3: 0\nx-c: \nforwarded: for=1\nx-forwarded-for: 1.2.3.4\ngrpc-timeout: \ngrpc-status: 14",
    ),
    "path": (b"/a/../b//c/%2e%2e/%41;x=1?q=%2f", b"/%zz", b"*", b"\x16\x03\x01", b"GET / HTTP", b"PRI * HTTP/2.0"),
    "stream": CORPUS + HOSTILE,
    "schedule": (b"0123456789",),
}  # fmt: skip
HELLOS = (
    records(hello(names(name(b"DB.shop.mesh"))), 50),
    records(hello(), 1000),
    records(hello(names(name(b"a"), name(b"b"))), 7),
)
BITS = (b"\r\n", b"\0", b" ", b":", b"0", b"\xff", b";", b"-1", b"%", b"\t", b"/..", b"99999999999999999999", b"")
MANY = {"stream": 200, "schedule": 300}
CONNECTIONS = 300  # of HTTP/2
USUAL = 2000


def cases():
    """The seeds, and what chance makes of them; the same in every run."""
    chance = Random(5)
    seeds = {**SEEDS, "hello": HELLOS}
    for kind, of_kind in seeds.items():
        yield from ((kind, each) for each in of_kind)
        for _ in range(MANY.get(kind, USUAL)):
            data = chance.choice(of_kind)
            for _ in range(chance.randint(1, 3)):
                at = chance.randint(0, len(data))
                data = data[:at] + chance.choice(BITS) + data[at + chance.choice((0, 1, 1, 5)) :]
            yield kind, data[: chance.choice((len(data), len(data), chance.randint(0, len(data))))]
    for _ in range(CONNECTIONS):
        yield "http2_stream", Sender(chance).all()
    for _ in range(USUAL):
        yield "http2", Sender(chance).all().removeprefix(PREFACE)


@pytest.mark.skipif(not COMPILED, reason="nothing is compiled by mypyc here: `make test-compiled` compares")
def test_both_builds_make_the_same_of_the_same_bytes(tmp_path):
    known = list(cases())
    environment = {**os.environ, **environment_of("source", Toolbox(tmp_path))}
    environment["PYTHONPATH"] += f":{ROOT}"  # for the tests' own modules

    done = subprocess.run(
        [sys.executable, "-m", "tests.fuzz.outcomes"], env=environment, text=True, check=True, stdout=subprocess.PIPE,
        input="".join(f"{kind} {data.hex()}\n" for kind, data in known),
    )  # fmt: skip

    lane, *outcomes = done.stdout.splitlines()
    assert lane != "compiled" and len(outcomes) == len(known)
    for (kind, data), outcome in zip(known, outcomes, strict=True):
        assert repr(tried(KINDS[kind], data)) == outcome, (kind, data)
