"""The files of the page: those of one folder, read once, with their types; nothing else is reachable."""

import pytest

from discovery.observe.page.static_files import TYPES, static_files
from discovery.observe.server import Asked

pytestmark = pytest.mark.anyio


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "index.html").write_text("<!doctype html>")
    (tmp_path / "page.js").write_text("export {}")
    (tmp_path / "page.css").write_text("a{}")
    (tmp_path / "icon.svg").write_text("<svg/>")
    (tmp_path / "notes.txt").write_text("not for the page")
    (tmp_path / "secret").write_text("not for the page")
    return tmp_path


def test_the_files_of_known_types_are_served_and_no_others(folder):
    assert sorted(static_files(folder)) == [b"/", b"/icon.svg", b"/index.html", b"/page.css", b"/page.js"]


def test_a_folder_that_is_not_there_has_no_files(tmp_path):
    assert static_files(tmp_path / "static") == {}


@pytest.mark.parametrize(
    ("path", "content_type"),
    [(b"/", TYPES[".html"]), (b"/page.js", TYPES[".js"]), (b"/page.css", TYPES[".css"]), (b"/icon.svg", TYPES[".svg"])],
)
async def test_each_has_its_type_and_is_asked_for_again_only_when_changed(folder, path, content_type):
    file = static_files(folder)[path]

    page = await file(Asked())
    tag = page.lines.partition("ETag: ")[2].partition("\r\n")[0]
    again = await file(Asked(fields={"if-none-match": f'"other", W/{tag}'}))
    changed = await file(Asked(fields={"if-none-match": '"other"'}))

    assert (page.status, page.content_type) == (200, content_type)
    assert "Cache-Control: no-cache" in page.lines
    assert (again.status, again.body) == (304, b"")
    assert changed == page


async def test_a_file_that_changes_later_is_served_as_it_was_read(folder):
    file = static_files(folder)[b"/page.js"]
    (folder / "page.js").write_text("changed")

    assert (await file(Asked())).body == b"export {}"
