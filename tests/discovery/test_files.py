import math
import os
import shutil
from contextlib import asynccontextmanager

import anyio
import pytest

from discovery.services.catalogue import POLICY_MAP
from discovery.sources.folder import files
from discovery.sources.folder.files import Files, inotify
from discovery.sources.folder.folder import Folder
from tests.discovery.kube import file_of, service

pytestmark = pytest.mark.anyio

DEADLINE_S = 60  # only ever used up by a test that fails


class Fed:
    """The batches of a source, waited for."""

    def __init__(self, batches):
        self._batches = batches
        self.objects = {}
        self.last = None

    async def until(self, claim):
        while self.last is None or not claim(self):
            self.last = await self._batches.receive()
            for change in self.last.changes:
                self.objects.pop(change.ref.name, None)
                if hasattr(change, "object"):
                    self.objects[change.ref.name] = change.object.spec.cluster_ip

    async def until_objects(self, **objects):
        await self.until(lambda fed: fed.objects == objects)


@asynccontextmanager
async def fed_by(path, watch=inotify):
    send, receive = anyio.create_memory_object_stream(math.inf)
    source = Files(Folder(path, POLICY_MAP), str(path), watch)
    with send, receive, anyio.fail_after(DEADLINE_S):
        async with anyio.create_task_group() as group:
            group.start_soon(source.run, send.send_nowait)
            yield Fed(receive)
            group.cancel_scope.cancel()


def write(path, cluster_ip, key="shop/reviews"):
    path.write_bytes(file_of(service(key, clusterIP=cluster_ip)))


async def test_a_changed_file_is_fed(tmp_path):
    write(tmp_path / "shop.yaml", "10.96.0.1")

    async with fed_by(tmp_path) as fed:
        await fed.until_objects(reviews="10.96.0.1")
        write(tmp_path / "shop.yaml", "10.96.0.2")
        await fed.until_objects(reviews="10.96.0.2")


async def test_a_change_is_fed_by_its_notice_and_not_by_the_next_look(tmp_path, monkeypatch):
    monkeypatch.setattr(files, "TICK_S", 3600.0)
    write(tmp_path / "shop.yaml", "10.96.0.1")

    async with fed_by(tmp_path) as fed:
        await fed.until_objects(reviews="10.96.0.1")
        for number in range(2, 7):
            write(tmp_path / "shop.yaml", f"10.96.0.{number}")
            await fed.until_objects(reviews=f"10.96.0.{number}")


async def test_files_that_come_and_go_are_fed(tmp_path):
    write(tmp_path / "shop.yaml", "10.96.0.1")

    async with fed_by(tmp_path) as fed:
        await fed.until_objects(reviews="10.96.0.1")
        write(tmp_path / "more.yaml", "10.96.0.2", "shop/ratings")
        await fed.until_objects(reviews="10.96.0.1", ratings="10.96.0.2")
        (tmp_path / "more.yaml").unlink()
        await fed.until_objects(reviews="10.96.0.1")


async def test_an_editor_that_writes_a_new_file_and_renames_it_is_understood(tmp_path):
    write(tmp_path / "shop.yaml", "10.96.0.1")

    async with fed_by(tmp_path) as fed:
        await fed.until_objects(reviews="10.96.0.1")
        write(tmp_path / ".shop.yaml.new", "10.96.0.2")
        os.rename(tmp_path / ".shop.yaml.new", tmp_path / "shop.yaml")
        await fed.until_objects(reviews="10.96.0.2")


async def test_the_swap_of_a_mounted_config_map_is_understood(tmp_path):
    for number in (1, 2):
        (tmp_path / f"..2024_{number}").mkdir()
        write(tmp_path / f"..2024_{number}" / "shop.yaml", f"10.96.0.{number}")
    (tmp_path / "..data").symlink_to("..2024_1")
    (tmp_path / "shop.yaml").symlink_to("..data/shop.yaml")

    async with fed_by(tmp_path) as fed:
        await fed.until_objects(reviews="10.96.0.1")
        (tmp_path / "..data_tmp").symlink_to("..2024_2")
        os.rename(tmp_path / "..data_tmp", tmp_path / "..data")
        shutil.rmtree(tmp_path / "..2024_1")
        await fed.until_objects(reviews="10.96.0.2")


async def test_a_file_whose_name_is_not_utf_8_is_fed_as_all_others(tmp_path):
    write(tmp_path / "shop.yaml", "10.96.0.1")

    async with fed_by(tmp_path) as fed:
        await fed.until_objects(reviews="10.96.0.1")
        write(tmp_path / os.fsdecode(b"\xff.yaml"), "10.96.0.2", "shop/ratings")
        await fed.until_objects(reviews="10.96.0.1", ratings="10.96.0.2")
        write(tmp_path / "shop.yaml", "10.96.0.3")
        await fed.until_objects(reviews="10.96.0.3", ratings="10.96.0.2")


async def test_a_link_to_a_file_elsewhere_is_looked_at_without_notice(tmp_path):
    folder, elsewhere = tmp_path / "mesh", tmp_path / "elsewhere"
    folder.mkdir()
    write(elsewhere, "10.96.0.1")
    (folder / "shop.yaml").symlink_to(elsewhere)

    async with fed_by(folder) as fed:
        await fed.until_objects(reviews="10.96.0.1")
        write(elsewhere, "10.96.0.2")
        await fed.until_objects(reviews="10.96.0.2")


async def test_a_folder_that_vanishes_and_comes_back_is_watched_again(tmp_path):
    folder = tmp_path / "mesh"
    folder.mkdir()
    write(folder / "shop.yaml", "10.96.0.1")

    async with fed_by(folder) as fed:
        await fed.until_objects(reviews="10.96.0.1")
        folder.rename(tmp_path / "away")
        await fed.until(lambda fed: not fed.last.in_sync)
        assert fed.objects == {"reviews": "10.96.0.1"}
        folder.mkdir()
        write(folder / "shop.yaml", "10.96.0.2")
        await fed.until_objects(reviews="10.96.0.2")
        write(folder / "shop.yaml", "10.96.0.3")
        await fed.until_objects(reviews="10.96.0.3")


async def test_a_folder_that_is_made_anew_is_watched_again(tmp_path):
    folder = tmp_path / "mesh"
    folder.mkdir()
    write(folder / "shop.yaml", "10.96.0.1")

    async with fed_by(folder) as fed:
        await fed.until_objects(reviews="10.96.0.1")
        shutil.rmtree(folder)
        folder.mkdir()
        write(folder / "shop.yaml", "10.96.0.2")
        await fed.until_objects(reviews="10.96.0.2")
        write(folder / "shop.yaml", "10.96.0.3")
        await fed.until_objects(reviews="10.96.0.3")


async def test_a_folder_that_is_not_there_yet_is_waited_for(tmp_path):
    folder = tmp_path / "mesh"

    async with fed_by(folder) as fed:
        await fed.until(lambda fed: not fed.last.in_sync)
        folder.mkdir()
        write(folder / "shop.yaml", "10.96.0.1")
        await fed.until_objects(reviews="10.96.0.1")


async def test_without_a_watch_a_change_is_still_noticed_and_the_lack_logged_once(tmp_path, caplog):
    def none_left(_path):
        raise OSError("OS file watch limit reached")

    write(tmp_path / "shop.yaml", "10.96.0.1")

    async with fed_by(tmp_path, none_left) as fed:
        await fed.until_objects(reviews="10.96.0.1")
        write(tmp_path / "shop.yaml", "10.96.0.2")
        await fed.until_objects(reviews="10.96.0.2")

    assert caplog.messages == ["not watched"]
