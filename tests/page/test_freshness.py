"""What the page says while its node does not answer."""

import os
import signal

from playwright.sync_api import expect

from tests.fakes.bare_services import free_place
from tests.fakes.node import service
from tests.page.mesh import Reader, mesh


def test_numbers_are_stale_while_the_control_process_is_away_and_live_again_afterwards(browser, tmp_path):
    with mesh(tmp_path / "mesh", "--workers", "1") as shop:
        window = Reader(browser, shop)
        page = window.open()
        page.locator(".long tbody a").first.wait_for()
        (control,) = shop.node.children()["discovery"]
        os.kill(control, signal.SIGSTOP)  # as a connection that ends without a word
        expect(page.locator("#freshness")).to_contain_text("stale since")
        listed = page.locator(".long tbody a").count()
        expect(page.locator("#said")).to_contain_text("stale")
        os.kill(control, signal.SIGCONT)
        expect(page.locator("#freshness")).to_have_text("live")
        os.kill(control, signal.SIGKILL)
        (tmp_path / "mesh" / "new.yaml").write_text(service("new", cluster_ip=free_place().cluster_ip))
        page.get_by_text("4 ports").wait_for()
        window.close()

    assert listed == 3
    assert window.faults == []


def test_a_page_without_services_says_what_to_do(browser, tmp_path):
    with mesh(tmp_path / "mesh", "--workers", "1") as shop:
        window = Reader(browser, shop)
        page = window.open()
        page.get_by_text("3 ports").wait_for()
        for name in ("web", "pay", "gone"):
            (tmp_path / "mesh" / f"{name}.yaml").unlink()
        page.get_by_text("This node has no services yet").wait_for()
        window.close()
