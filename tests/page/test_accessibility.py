"""The page by keyboard alone, for axe's rules in both colour schemes, and with the reader's own choices."""

import pytest
from playwright.sync_api import expect

from tests.page.mesh import SIZES, VIEWS, Reader

TABS = {"s": "Services", "m": "Map", "e": "Errors", "t": "Tap", "n": "Node", "c": "Cluster"}
UNSEEN = """(() => {
    const at = document.activeElement;
    if (at === document.body) return null;
    const seen = at.matches('.node') ? parseFloat(getComputedStyle(at.firstChild).strokeWidth) >= 3
        : getComputedStyle(at).outlineStyle !== 'none';
    return seen ? '' : at.outerHTML.slice(0, 80);
})()"""
"""Where the focus is, if that cannot be seen; null if it is nowhere. One question: the page changes between two."""


@pytest.mark.parametrize(("size", "scheme"), [("wide", "light"), ("wide", "dark"), ("phone", "light")])
def test_axe_finds_nothing_in_any_view(browser, shop, size, scheme):
    window = Reader(browser, shop, color_scheme=scheme, viewport=SIZES[size], bypass_csp=True)  # for axe's own script
    found = {}
    for view in VIEWS:
        window.open(view)
        found[view] = window.violations()
    window.page.keyboard.press("?")
    found["help"] = window.violations()
    window.close()

    assert {view: each for view, each in found.items() if each} == {}


def test_the_keyboard_alone_reaches_every_view_and_opens_a_service(reader):
    page = reader.open()
    page.locator(".long tbody a").first.wait_for()
    page.keyboard.press("Tab")
    expect(page.locator("#skip")).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.locator("#main")).to_be_focused()

    page.keyboard.press("j")
    page.keyboard.press("j")
    expect(page.locator(".long tbody a").nth(1)).to_be_focused()
    name = page.locator(".long tbody a").nth(1).inner_text()
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", level=1)).to_have_text(name)
    expect(page.get_by_role("heading", level=1)).to_be_focused()

    for key, title in TABS.items():
        page.keyboard.type(f"g{key}")  # at once: the page waits only a moment for the second key
        expect(page.get_by_role("heading", level=1)).to_have_text(title)
        expect(page.locator("#tabs [aria-current=page]")).to_have_text(title)
        assert page.title().startswith(title)


def test_every_stop_of_the_tab_key_can_be_seen(reader):
    unseen = {}
    for view in ("services", "service/pay.shop", "map", "errors", "tap", "node"):
        page = reader.open(view)
        page.evaluate("document.activeElement.blur()")
        for _ in range(25):
            page.keyboard.press("Tab")
            stop = page.evaluate(UNSEEN)
            if stop is None:
                break
            if stop:
                unseen.setdefault(view, []).append(stop)

    assert unseen == {}


def test_the_map_is_walked_by_the_keyboard(reader):
    page = reader.open("map")
    node = page.locator("a.node", has_text="pay.shop")
    node.focus()
    page.keyboard.press("Enter")

    expect(page.get_by_role("heading", level=1)).to_have_text("Calls of pay.shop")
    page.keyboard.press("/")
    page.keyboard.type("web")
    expect(page.locator(".found a")).to_have_text(["web.shop"])
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", level=1)).to_have_text("Calls of web.shop")


def test_keys_are_listed_and_can_be_switched_off(reader):
    page = reader.open()
    page.keyboard.press("?")
    expect(page.get_by_role("dialog")).to_be_visible()
    page.get_by_label("Single keys are shortcuts").uncheck()
    page.keyboard.press("Escape")
    expect(page.get_by_role("dialog")).to_be_hidden()
    page.keyboard.press("g")
    page.keyboard.press("m")
    page.keyboard.press("/")

    expect(page.get_by_role("heading", level=1)).to_have_text("Services")
    expect(page.get_by_label("Filter services")).not_to_be_focused()


def test_the_chosen_colours_are_kept(reader):
    page = reader.open()
    button = page.locator("#theme")
    background = "getComputedStyle(document.body).backgroundColor"
    light = page.evaluate(background)
    button.click()
    button.click()
    assert page.evaluate(background) != light

    page.reload()

    expect(button).to_have_attribute("aria-label", "Colours: dark. Change")
    assert page.evaluate(background) != light
    button.click()
    assert page.evaluate(background) == light


def test_nothing_moves_for_who_prefers_it_so(browser, shop):
    window = Reader(browser, shop, reduced_motion="reduce")
    page = window.open()
    moving = page.evaluate("document.getAnimations().length")
    window.close()

    assert moving == 0
