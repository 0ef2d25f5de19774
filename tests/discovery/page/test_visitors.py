"""Who may read the page: no other site that the same browser has open, by whatever name or field it comes."""

import pytest

from discovery.observe.page.visitors import Visitors
from discovery.observe.server import Asked

VISITORS = Visitors(("mesh.example.com",))


def refusal(path="/api/node", **fields):
    named = {name.replace("_", "-"): value for name, value in fields.items()}
    return VISITORS.refusal(Asked(path=path, fields={"host": "localhost:9070", **named}))


@pytest.mark.parametrize(
    "host",
    [
        "localhost", "LocalHost:9070", "127.0.0.1:9070", "127.8.8.8:1", "[::1]:9070", "[::1]", "mesh.example.com",
        "Mesh.Example.com:443",
    ],
)  # fmt: skip
def test_hosts_of_this_machine_and_those_of_the_setting_are_answered(host):
    assert refusal(host=host) is None


@pytest.mark.parametrize(
    "host",
    [
        "", "evil.example:9070", "localhost.evil.example", "127.0.0.1.evil.example", "evil.example:9070@localhost",
        "localhost:9070,evil.example", "localhost:x", "10.0.0.7:9070", "169.254.77.1:9070", "0.0.0.0:9070", "[::]:9070",
        "[::1]evil", "[::1", "::1", "2130706433", "localhost.", "mesh.example.com.evil.example", "<script>",
    ],
)  # fmt: skip
def test_every_other_host_is_misdirected(host):
    page = refusal(host=host)

    assert page.status == 421
    assert b"page_hosts" in page.body


def test_a_request_without_a_host_is_refused():
    assert VISITORS.refusal(Asked(path="/api/node")).status == 421


@pytest.mark.parametrize("origin", ["http://localhost:9070", "https://localhost:9070", "HTTP://LOCALHOST:9070"])
def test_the_origin_of_the_page_itself_is_answered(origin):
    assert refusal(origin=origin) is None


@pytest.mark.parametrize(
    "origin",
    [
        "null", "", "http://localhost", "http://localhost:9071", "http://evil.example", "http://127.0.0.1:9070",
        "http://localhost:9070.evil.example", "file://", "http://localhost:9070,http://evil.example",
    ],
)  # fmt: skip
def test_every_other_origin_is_refused(origin):
    assert refusal(origin=origin).status == 403


@pytest.mark.parametrize("site", ["cross-site", "same-site", "Cross-Site", "something-new"])
def test_what_a_browser_says_comes_from_another_site_is_refused(site):
    assert refusal(sec_fetch_site=site, sec_fetch_mode="cors").status == 403
    assert refusal(sec_fetch_site=site, sec_fetch_mode="navigate", sec_fetch_dest="document").status == 403
    assert refusal("/", sec_fetch_site=site, sec_fetch_mode="navigate", sec_fetch_dest="iframe").status == 403


def test_a_link_of_another_site_leads_to_the_index_alone():
    assert refusal("/", sec_fetch_site="cross-site", sec_fetch_mode="navigate", sec_fetch_dest="document") is None


@pytest.mark.parametrize("site", ["same-origin", "none"])
def test_the_page_and_its_user_are_answered(site):
    assert refusal(sec_fetch_site=site) is None
