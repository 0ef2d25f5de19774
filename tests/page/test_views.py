"""Every view of the page, of a running node with real requests."""

import re

from playwright.sync_api import expect

from tests.page.mesh import SIZES, Reader, shows


def test_services_have_live_signals_and_can_be_filtered_and_sorted(reader):
    page = reader.open()
    web = page.get_by_role("row").filter(has_text="web.shop")
    expect(web.locator(".requests .value")).not_to_have_text("0")
    expect(web.locator(".requests .spark-line")).to_have_attribute("d", re.compile("L"))

    page.get_by_role("button", name="Service", exact=True).click()
    names = page.locator(".long tbody a").all_inner_texts()
    page.keyboard.press("/")
    page.keyboard.type("pay")
    expect(page.locator(".long tbody tr:not(.pad)")).to_have_count(1)
    filtered = page.locator(".long tbody a").all_inner_texts()
    page.keyboard.press("Escape")
    page.get_by_role("button", name="Failing").click()
    shows(page, "gone")

    assert names == ["gone.shop", "pay.shop", "web.shop"] and filtered == ["pay.shop"]
    expect(page.get_by_role("row").filter(has_text="pay.shop").locator(".endpoints")).to_have_text("1 of 2")


def test_a_filter_without_a_match_says_what_it_looks_at(reader):
    page = reader.open("services?q=nothing-of-this-name")

    shows(page, "No service matches")
    assert page.get_by_label("Filter services").input_value() == "nothing-of-this-name"


def test_the_map_shows_who_calls_whom_and_the_same_as_a_table(reader):
    page = reader.open("map")
    node = page.locator("a.node", has_text="pay.shop")
    expect(node).to_have_attribute("aria-label", re.compile(r"pay\.shop: .*/s.*Shows its calls"))

    page.get_by_role("button", name="Table").click()
    row = page.get_by_role("row").filter(has_text="web.shop")
    expect(row).to_contain_text("node")
    page.get_by_role("button", name="Map", exact=True).click()
    node.click()

    expect(page.get_by_role("heading", level=1)).to_have_text("Calls of pay.shop")
    expect(page.locator("a.node")).to_have_count(2)
    page.get_by_role("link", name="Open the service").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("pay.shop")


def test_a_service_has_its_ejected_endpoint_with_the_reason_and_its_policies_with_their_places(reader):
    page = reader.open("service/pay.shop")
    ejected = page.get_by_role("row").filter(has_text="ejected")

    expect(ejected).to_contain_text("for ")
    shows(page, "1 of 2 endpoints can be chosen")
    field = page.get_by_role("row").filter(has_text="consecutive5xxErrors")
    expect(field).to_contain_text("ConfigMap nodeproxy/nodeproxy-policy in policy.yaml, key pay.shop line 2")
    assert page.get_by_role("row").filter(has_text="built-in default").count() == 0
    page.get_by_label("Built-in defaults too").check()
    assert page.get_by_role("row").filter(has_text="built-in default").count() > 10
    shows(page, "No rules: every request goes to the service itself.")


def test_a_service_has_its_rules_with_their_split_and_canary(reader):
    page = reader.open("service/web.shop")
    beta = page.locator(".rule", has_text="beta")

    expect(beta).to_contain_text("path under /beta")
    expect(beta.locator(".split li").nth(1)).to_contain_text("shop/pay:80")
    expect(beta.locator(".split li").nth(1)).to_contain_text("10%")
    expect(page.locator(".rule", has_text="try")).to_contain_text("at most 5.0 requests/s of the node")


def test_a_service_that_does_not_exist_is_said(reader):
    page = reader.open("service/wep.shop")

    shows(page, "No service wep.shop")


def test_errors_have_their_reason_in_plain_words_and_lead_to_its_meaning(reader):
    page = reader.open("errors")
    error = page.locator(".error", has_text="/lost").first
    expect(error).to_contain_text("The service has no endpoint that can be used")
    expect(error).to_contain_text("from node")

    error.get_by_role("link", name="no-endpoints").click()

    expect(page.locator(".reasons .chosen")).to_contain_text("no-endpoints")
    shows(page, "docs/troubleshooting.md#no-endpoints")


def test_a_tap_shows_requests_with_the_bars_of_their_attempts_and_pauses(reader):
    page = reader.open("tap")
    page.get_by_label("Service", exact=True).fill("web.shop")
    page.get_by_label("Path begins with").fill("/beta")
    page.get_by_role("button", name="Start").click()
    request = page.locator(".tapped li", has_text="/beta/x").first
    request.wait_for()
    assert page.locator(".tapped li", has_text="/try").count() == 0
    assert request.locator(".bars rect").count() >= 1

    page.keyboard.press("Tab")
    page.get_by_role("button", name="Pause").click()
    shows(page, "held")
    listed = page.locator(".tapped li").count()
    page.locator("p", has_text="held").filter(has_not_text="0 requests").wait_for()
    assert page.locator(".tapped li").count() == listed
    request.locator("summary").click()
    expect(request).to_contain_text("first byte after")
    page.get_by_role("button", name="Go on").click()
    page.get_by_role("button", name="Stop").click()

    shows(page, "Stopped.")
    assert "service=web.shop" in page.url and "path=%2Fbeta" in page.url


def test_a_tap_that_the_node_refuses_says_why(reader):
    page = reader.open("tap?service=web.shop&status=many")

    shows(page, "5xx")
    expect(page.get_by_role("button", name="Start")).to_be_visible()


def test_the_node_has_its_workers_and_what_it_follows(reader):
    page = reader.open("node")

    expect(page.get_by_role("row").filter(has_text="worker 0")).to_contain_text("connected")
    shows(page, "3 services")
    shows(page, "A folder is not watched by kind")


def test_the_cluster_says_how_it_is_switched_on(reader):
    page = reader.open("cluster")

    shows(page, "Only this node is shown")
    shows(page, "page_cluster")


def test_on_a_phone_no_view_is_wider_than_the_screen(browser, shop):
    window = Reader(browser, shop, viewport=SIZES["phone"], has_touch=True)
    wide = {}
    for view in ("services", "service/pay.shop", "map", "errors", "tap?service=web.shop", "node", "cluster"):
        page = window.open(view)
        wide[view] = page.evaluate("document.documentElement.scrollWidth")
    window.close()

    assert set(wide.values()) == {SIZES["phone"]["width"]}, wide
