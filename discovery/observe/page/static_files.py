"""The files of the page, read once: a request reads no file, and there is no path to escape from."""

from collections.abc import Mapping
from hashlib import sha256
from pathlib import Path

from discovery.observe.server import Answer, Asked, Page

FOLDER = Path(__file__).parent / "static"
INDEX = "index.html"
TYPES = {
    ".html": "text/html; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
}
"""The files that are served, by how their names end."""


class StaticFile:
    """One file; a browser that has it is told so."""

    def __init__(self, content: bytes, content_type: str) -> None:
        self._content = content
        self._type = content_type
        self._tag = f'"{sha256(content).hexdigest()[:32]}"'

    async def __call__(self, asked: Asked) -> Page:
        """The file; 304 if the reader has this version."""
        lines = f"ETag: {self._tag}\r\nCache-Control: no-cache\r\n"
        known = {each.strip().removeprefix("W/") for each in asked.fields.get("if-none-match", "").split(",")}
        if self._tag in known:
            return Page(304, b"", self._type, lines)
        return Page(200, self._content, self._type, lines)


def static_files(folder: Path = FOLDER) -> Mapping[bytes, Answer]:
    """The files of `folder` by path, the index at `/` too; by default those of this package."""
    found: dict[bytes, Answer] = {}
    for each in folder.iterdir() if folder.is_dir() else ():
        content_type = TYPES.get(each.name[each.name.rfind(".") :])
        if content_type is not None:
            found[f"/{each.name}".encode()] = StaticFile(each.read_bytes(), content_type)
    if (index := found.get(f"/{INDEX}".encode())) is not None:
        found[b"/"] = index
    return found
