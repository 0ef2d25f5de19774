"""The real process, a real folder, a real socket."""

import json
import signal
import sys
from contextlib import asynccontextmanager
from subprocess import DEVNULL, PIPE

import anyio
import pytest
from anyio.streams.buffered import BufferedByteReceiveStream

from nodeproxy.mesh.wire import LINE_LIMIT_BYTES, Fresh, PolicyMaps, Put, Replace, parse
from tests.discovery.kube import endpoint, file_of, policy_map, service, slice_of

pytestmark = [pytest.mark.anyio, pytest.mark.process]

DEADLINE_S = 60  # it takes a second; only ever used up by a test that fails
COMMAND = [sys.executable, "-m", "discovery"]


@asynccontextmanager
async def process(*arguments, stdin=DEVNULL):
    with anyio.fail_after(DEADLINE_S):
        async with await anyio.open_process([*COMMAND, *arguments], stdin=stdin, stdout=PIPE, stderr=PIPE) as running:
            try:
                yield running
            finally:
                if running.returncode is None:
                    running.kill()


@asynccontextmanager
async def serving(tmp_path, *options, stdin=DEVNULL):
    arguments = ("serve", "--source", f"files:{tmp_path}", "--socket", str(tmp_path / "socket"), "--log-format", "json")
    async with process(*arguments, *options, stdin=stdin) as running:
        log = BufferedByteReceiveStream(running.stderr)
        assert (await event(log))["event"] == "serving"
        yield running, log


async def event(log):
    return json.loads(await log.receive_until(b"\n", 65536))


async def update(lines):
    while isinstance(found := parse(await lines.receive_until(b"\n", LINE_LIMIT_BYTES)), Fresh | PolicyMaps):
        pass
    return found


async def test_each_change_of_a_file_is_at_the_worker(tmp_path):
    (tmp_path / "shop.yaml").write_bytes(file_of(service(), slice_of()))

    async with serving(tmp_path), await anyio.connect_unix(tmp_path / "socket") as stream:
        lines = BufferedByteReceiveStream(stream)
        first = await update(lines)
        for number in range(2, 7):
            (tmp_path / "shop.yaml").write_bytes(
                file_of(service(), slice_of("shop/reviews", endpoint(f"10.0.0.{number}")))
            )
            found = await update(lines)
            assert found.service.ports[0].endpoints[0].address == f"10.0.0.{number}"

    assert isinstance(first, Replace)


async def test_a_bad_file_keeps_the_rest_and_is_told(tmp_path):
    (tmp_path / "shop.yaml").write_bytes(file_of(service(), slice_of()))

    async with serving(tmp_path) as (_, log), await anyio.connect_unix(tmp_path / "socket") as stream:
        lines = BufferedByteReceiveStream(stream)
        await update(lines)
        assert (await event(log))["event"] == "services in force"
        (tmp_path / "bad.yaml").write_bytes(b"{ [" * 100_000)
        logged = await event(log)
        (tmp_path / "mesh.yaml").write_bytes(file_of(policy_map(_default="retries: {attempts: 4}")))
        found = await update(lines)

    assert (logged["event"], logged["file"], logged["document"]) == ("problem", "bad.yaml", 1)
    assert isinstance(found, Put)
    assert found.service.policies == {"retries": {"attempts": 4}}
    assert found.service.ports[0].endpoints


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_a_signal_ends_it_cleanly(tmp_path, number):
    async with serving(tmp_path, "--until-eof", stdin=PIPE) as (running, _):
        running.send_signal(number)

        assert await running.wait() == 0

    assert not (tmp_path / "socket").exists()


async def test_the_end_of_stdin_ends_it_cleanly(tmp_path):
    async with serving(tmp_path, "--until-eof", stdin=PIPE) as (running, _):
        await running.stdin.send(b"ignored")
        await running.stdin.aclose()

        assert await running.wait() == 0
