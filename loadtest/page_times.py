"""What the page of a node with many services costs a browser: to its first row, each second, to scroll, to filter."""

import tempfile
from collections.abc import Callable
from pathlib import Path
from statistics import median

import msgspec
from playwright.sync_api import Browser

from tests.page.mesh import chromium, mesh, traffic

LIVE_S = 10.0
FRAMES = 60
TIMES = ("ScriptDuration", "LayoutDuration", "RecalcStyleDuration", "TaskDuration")
CALLED = 200  # of the services: those that change each second


class PageTimes(msgspec.Struct, frozen=True):
    """One load of the page. All times are seconds; a time of the browser is that of its main thread."""

    first_paint_s: float
    first_row_s: float
    """Until the first service is in the table, since the address was opened."""
    load_script_s: float
    live_script_s: float
    """Per second of live numbers."""
    live_task_s: float
    """The same, with layout, style and paint."""
    scroll_script_s: float
    """Per frame, at 17 rows a frame."""
    scroll_task_s: float
    filter_script_s: float
    elements: int
    """In the page."""


def measure(services: int, rounds: int, say: Callable[[str], None]) -> list[PageTimes]:
    """Opens the page of a node with so many services, `rounds` times."""
    with tempfile.TemporaryDirectory() as folder, mesh(Path(folder) / "mesh", "--workers", "1", many=services) as node:
        called = [(f"s-{number}", "/") for number in range(min(CALLED, services))]
        with traffic(node, *called), chromium() as browser:
            found = []
            for _ in range(rounds):
                found.append(_once(browser, node.page))
                say(str(found[-1]))
            return found


def markdown(found: list[PageTimes], services: int) -> str:
    """The medians as a table."""
    names = {
        "first_paint_s": "first paint", "first_row_s": "first row of services", "load_script_s": "script until then",
        "live_script_s": "script per second, live", "live_task_s": "main thread per second, live",
        "scroll_script_s": "script per frame of scrolling", "scroll_task_s": "main thread per frame of scrolling",
        "filter_script_s": "script of a filter",
    }  # fmt: skip
    lines = [
        f"| {words} | {median(getattr(each, name) for each in found) * 1000:.1f} ms |" for name, words in names.items()
    ]
    elements = median(each.elements for each in found)
    return "\n".join(
        [
            f"| {services} services | median of {len(found)} |",
            "|---|--:|",
            *lines,
            f"| elements in the page | {elements:.0f} |",
            "",
        ]
    )


def _once(browser: Browser, address: str) -> PageTimes:
    context = browser.new_context(viewport={"width": 1280, "height": 800})
    page = context.new_page()
    session = context.new_cdp_session(page)
    session.send("Performance.enable")

    def times() -> dict[str, float]:
        return {each["name"]: each["value"] for each in session.send("Performance.getMetrics")["metrics"]}

    def spent(before: dict[str, float]) -> dict[str, float]:
        now = times()
        return {name: now[name] - before[name] for name in TIMES}

    page.goto(address, wait_until="commit")
    row_s = page.evaluate(
        """() => new Promise((done) => {
            const look = () => {
                if (document.querySelector('.long tbody a')) done(performance.now() / 1000);
                else requestAnimationFrame(look);
            };
            look();
        })"""
    )
    paint_s = page.evaluate("performance.getEntriesByName('first-contentful-paint')[0].startTime / 1000")
    load, elements = times(), page.evaluate("document.querySelectorAll('*').length")
    page.wait_for_timeout(LIVE_S * 1000)
    live, before = spent(load), times()
    page.evaluate(
        f"""async () => {{
            const table = document.querySelector('.scroll');
            for (let frame = 0; frame < {FRAMES}; frame++) {{
                table.scrollTop += 600;
                await new Promise(requestAnimationFrame);
            }}
        }}"""
    )
    scroll, before = spent(before), times()
    page.get_by_label("Filter services").fill("s-77")
    page.locator(".long tbody a", has_text="s-777").wait_for()
    chosen = spent(before)
    context.close()
    return PageTimes(
        paint_s, row_s, load["ScriptDuration"], live["ScriptDuration"] / LIVE_S, live["TaskDuration"] / LIVE_S,
        scroll["ScriptDuration"] / FRAMES, scroll["TaskDuration"] / FRAMES, chosen["ScriptDuration"], elements,
    )  # fmt: skip
