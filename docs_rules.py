"""Rules for the built site of docs/, which the builder's own strict mode does not check.

    python docs_rules.py build/site     # in `make site`, after the build: findings, one a line

Every page is in the navigation, every link and anchor of the HTML leads somewhere, nothing that a browser loads by
itself is on another host, and no text in angle brackets has become an element.
"""

import sys
from collections.abc import Iterable, Iterator, Mapping
from html.parser import HTMLParser
from pathlib import Path
from posixpath import join, normpath
from urllib.parse import unquote, urlsplit

import yaml

ROOT = Path(__file__).parent
LOADED = {"script": "src", "img": "src", "link": "href", "iframe": "src", "source": "src", "object": "data"}
NOT_LOADED = {"canonical", "prev", "next", "alternate", "edit", "license"}  # relations of a link that only name a page
ELEMENTS = frozenset(
    """
    a abbr article aside b blockquote body br button circle code dd defs del details dialog div dl dt ellipse em
    figcaption figure footer form g h1 h2 h3 h4 h5 h6 head header hr html i iframe img input ins kbd label li line
    link main meta nav noscript object ol option p path polygon polyline pre rect script section select small source
    span strong style sub summary sup svg table tbody td template text textarea tfoot th thead time title tr ul use
    video
    """.split()  # noqa: SIM905  a list of 90 names in quotes is no easier to read
)


class Page(HTMLParser):
    """What a page of the site has: anchors, links, what a browser loads, elements."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.anchors: set[str] = set()
        self.links: list[str] = []
        self.loaded: list[str] = []
        self.elements: set[str] = set()
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """See HTMLParser."""
        found = {name: value or "" for name, value in attrs}
        self.elements.add(tag)
        self.anchors |= {found[name] for name in ("id", "name") if name in found}
        if tag == "a" and "href" in found:
            self.links.append(found["href"])
        where = found.get(LOADED.get(tag, ""))
        if where and found.get("rel") not in NOT_LOADED:
            self.loaded.append(where)


def findings(site: Mapping[str, Page], files: frozenset[str]) -> Iterator[str]:
    """The rules that pages of a site break; `files` are all of its files, by path."""
    for path, page in site.items():
        for link in page.links:
            yield from (f"{path}: {link}: {wrong}" for wrong in _wrong_link(path, link, site, files))
        yield from (f"{path}: loads {each} from another host" for each in page.loaded if urlsplit(each).netloc)
        for each in sorted(page.elements - ELEMENTS):
            yield f"{path}: <{each}> is taken for an element; write it in backquotes"


def missing_in_navigation(navigation: object, pages: Iterable[str]) -> Iterator[str]:
    """Pages that no entry of the navigation leads to, and entries without a page."""
    named = list(_named(navigation))
    for each in sorted({*pages} - {*named}):
        yield f"docs/{each}: not in the navigation; add it to mkdocs.yml"
    for each in sorted({*named} - {*pages}):
        yield f"mkdocs.yml: {each} is in the navigation, and there is no such page"
    for each in sorted({each for each in named if named.count(each) > 1}):
        yield f"mkdocs.yml: {each} is in the navigation twice"


def _wrong_link(path: str, link: str, site: Mapping[str, Page], files: frozenset[str]) -> Iterator[str]:
    parts = urlsplit(link)
    if parts.scheme or parts.netloc:
        return
    target = normpath(join(path.rpartition("/")[0], unquote(parts.path))) if parts.path else path
    for each in (target, f"{target}/index.html".removeprefix("./")):
        if each in site:
            if parts.fragment and unquote(parts.fragment) not in site[each].anchors:
                yield "there is no such anchor"
            return
    if target not in files:
        yield "there is no such page"


def _named(navigation: object) -> Iterator[str]:
    if isinstance(navigation, str):
        yield navigation
    elif isinstance(navigation, list | dict):
        for each in navigation.values() if isinstance(navigation, dict) else navigation:
            yield from _named(each)


def main(folder: Path) -> int:
    """Report; 1 if a rule is broken."""
    files = frozenset(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())
    site = {path: Page((folder / path).read_text()) for path in sorted(files) if path.endswith(".html")}
    del site["404.html"]  # its links are relative to the root of a host
    docs = ROOT / "docs"
    pages = [str(path.relative_to(docs)) for path in docs.rglob("*.md")]
    navigation = yaml.safe_load((ROOT / "mkdocs.yml").read_text())["nav"]
    found = [*missing_in_navigation(navigation, pages), *findings(site, files)]
    print("\n".join(found) if found else f"docs: {len(site)} pages, every link leads somewhere")
    return int(bool(found))


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
