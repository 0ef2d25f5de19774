"""The page of a node with 1,000 services: as usable as with ten."""

import pytest
from playwright.sync_api import expect

from tests.page.mesh import mesh, shows

MANY = 1_000
ROWS_MOST = 60  # in the page, whatever the node has


@pytest.fixture(scope="module")
def shop(tmp_path_factory):
    with mesh(tmp_path_factory.mktemp("node") / "mesh", "--workers", "1", many=MANY) as found:
        yield found


def test_only_rows_in_sight_are_in_the_page_and_the_keyboard_reaches_the_others(reader):
    page = reader.open("services?sort=service&down=no")
    expect(page.locator(".shown")).to_have_text("1,003 ports")
    assert page.locator("tbody tr").count() < ROWS_MOST
    expect(page.get_by_role("table")).to_have_attribute("aria-rowcount", "1004")

    for _ in range(40):
        page.keyboard.press("j")
    focused = page.evaluate("document.activeElement.textContent")
    row = page.evaluate("document.activeElement.closest('tr').ariaRowIndex")
    seen = page.evaluate(
        """(() => {
            const [row, table] = [document.activeElement, document.querySelector('.scroll')];
            const [inner, outer] = [row.getBoundingClientRect(), table.getBoundingClientRect()];
            return inner.top >= outer.top && inner.bottom <= outer.bottom;
        })()"""
    )
    page.wait_for_function(
        """() => {
            const table = document.querySelector(".scroll");
            table.scrollTop = table.scrollHeight;
            return [...table.querySelectorAll("tbody a")].at(-1).textContent === "web.shop";
        }"""
    )

    assert row == "41" and focused.startswith("s-") and seen
    assert page.locator("tbody tr").count() < ROWS_MOST


def test_a_filter_finds_one_of_them(reader):
    page = reader.open()
    page.keyboard.press("/")
    page.keyboard.type("s-777 80")

    expect(page.locator(".long tbody a")).to_have_text(["s-777.shop"])
    shows(page, "1 of 1,003 ports")


def test_the_map_draws_the_busiest_and_finds_the_others(reader):
    reader.mesh.called(*[(f"s-{number}", "/") for number in range(60)])
    page = reader.open("map")
    expect(page.locator(".shown")).to_contain_text("less busy ones not drawn")
    assert page.locator("a.node").count() <= 28

    page.keyboard.press("/")
    page.keyboard.type("s-59")
    expect(page.locator(".found a")).to_have_text(["s-59.shop"])
    page.keyboard.press("Enter")

    expect(page.get_by_role("heading", level=1)).to_have_text("Calls of s-59.shop")
