import os
import signal
from contextlib import asynccontextmanager

import anyio
import anyio.lowlevel
import pytest
from anyio.streams.buffered import BufferedByteReceiveStream

from discovery.serve import serve
from discovery.services.catalogue import Scope
from discovery.settings import Settings
from nodeproxy.mesh.wire import LINE_LIMIT_BYTES, Fresh, Put, Replace, parse
from tests.discovery.kube import file_of, service, slice_of

pytestmark = pytest.mark.anyio

DEADLINE_S = 60  # only ever used up by a test that fails


@asynccontextmanager
async def serving(tmp_path, ends_with=None):
    """A discovery that is ended by SIGTERM, unless the body ends it."""
    statuses = []

    async def run(*, task_status):
        settings = Settings(tmp_path, tmp_path / "socket", Scope(), ends_with)
        statuses.append(await serve(settings, task_status=task_status))

    with anyio.fail_after(DEADLINE_S):
        async with anyio.create_task_group() as group:
            await group.start(run)
            yield statuses
            if not statuses:
                os.kill(os.getpid(), signal.SIGTERM)


async def update(lines):
    while isinstance(found := parse(await lines.receive_until(b"\n", LINE_LIMIT_BYTES)), Fresh):
        pass
    return found


async def test_a_change_of_the_folder_is_in_force_on_the_socket(tmp_path):
    (tmp_path / "shop.yaml").write_bytes(file_of(service(), slice_of()))

    async with serving(tmp_path) as statuses, await anyio.connect_unix(tmp_path / "socket") as stream:
        lines = BufferedByteReceiveStream(stream)
        first = await update(lines)
        (tmp_path / "more.yaml").write_bytes(file_of(service("shop/ratings", clusterIP="10.96.0.11")))
        then = await update(lines)

    assert isinstance(first, Replace)
    assert isinstance(then, Put)
    assert then.service.key == "shop/ratings"
    assert statuses == [0]
    assert not (tmp_path / "socket").exists()


async def test_a_missing_folder_publishes_nothing_to_workers_until_it_exists(tmp_path):
    folder = tmp_path / "mesh"

    with anyio.fail_after(DEADLINE_S):
        async with anyio.create_task_group() as group:
            await group.start(serve, Settings(folder, tmp_path / "socket", Scope()))
            async with await anyio.connect_unix(tmp_path / "socket") as stream:
                folder.mkdir()
                (folder / "shop.yaml").write_bytes(file_of(service()))
                first = await update(BufferedByteReceiveStream(stream))
            group.cancel_scope.cancel()

    assert [each.key for each in first.services] == ["shop/reviews"]


async def test_it_ends_with_the_pipe_it_is_given(tmp_path):
    reading, writing = os.pipe()

    async with serving(tmp_path, reading) as statuses:
        os.write(writing, b"ignored")
        os.close(writing)
        while not statuses:
            await anyio.lowlevel.checkpoint()

    os.close(reading)
    assert statuses == [0]


async def test_an_input_that_cannot_be_waited_for_has_ended(tmp_path):
    nothing = os.open(os.devnull, os.O_RDONLY)

    with anyio.fail_after(DEADLINE_S):
        status = await serve(Settings(tmp_path, tmp_path / "socket", Scope(), nothing))

    os.close(nothing)
    assert status == 0


async def test_a_socket_that_cannot_be_made_ends_it_with_status_1(tmp_path):
    with anyio.fail_after(DEADLINE_S):
        assert await serve(Settings(tmp_path, tmp_path / "no" / "socket", Scope())) == 1
