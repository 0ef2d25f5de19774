"""The page asks no other host, and shows what clients and policies say as text, whatever it is."""

import http.client
import json
import re
import string
from pathlib import Path
from urllib.parse import quote

import pytest

from tests.fakes.node import LIMIT_S
from tests.page.mesh import VIEWS, mesh, shows

STATIC = Path(__file__).parents[2] / "discovery" / "observe" / "page" / "static"
RUN = "window.ran=1"
HOSTILE = (
    f"<img src=x onerror={RUN}>",
    f"<script>{RUN}</script>",
    f'"><svg/onload={RUN}>',
    f"'-{RUN}-'",
    f"javascript:{RUN}",
    f"</script><iframe srcdoc='<script>parent.{RUN}</script>'>",
    "{{constructor.constructor('window.ran=1')()}}",
    "‮gnp.exe%00<b>",
)
RULE = f"""
routes:
  rules:
    - name: {json.dumps(HOSTILE[0])}
      match: {{headers: [{{name: x-hostile, exact: {json.dumps(HOSTILE[2])}}}]}}
      redirect: {{path: {{full: "/x"}}}}
    - match: {{path: {{prefix: "/<svg onload={RUN}>"}}}}
      headers: {{request: {{set: {{x-hostile: {json.dumps(HOSTILE[1])}}}}}}}
"""
PARSERS = re.compile(
    r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|DOMParser|createContextualFragment|setHTML|\beval\b"
    r"|new Function|setTimeout\(['\"`]|setAttribute\(['\"]style|\bstyle=|\bon\w+=\""
)


@pytest.fixture(scope="module")
def shop(tmp_path_factory):
    """A node with hostile policies, called with hostile paths, methods, hosts and fields."""
    with mesh(tmp_path_factory.mktemp("node") / "mesh", "--workers", "1", gone__shop=RULE) as found:
        for each in HOSTILE:
            sent(found, "gone.shop.mesh", f"/{each}")
            sent(found, f"{each.replace('/', '').replace(' ', '')}.shop.mesh", "/host")
        yield found


def sent(mesh, host, path):
    """One request, as raw as a hostile client writes it."""
    connection = http.client.HTTPConnection("127.0.0.1", mesh.node.port, timeout=LIMIT_S)
    connection._validate_path = connection._validate_host = lambda _: None
    target = quote(path, safe=string.punctuation)
    try:
        connection.putrequest("GET", target, skip_host=True, skip_accept_encoding=True)
        connection.putheader("Host", host.encode())
        connection.putheader("X-Hostile", HOSTILE[0])
        connection.putheader("User-Agent", HOSTILE[1])
        connection.endheaders()
        return connection.getresponse().status
    finally:
        connection.close()


def test_what_clients_and_policies_say_is_shown_as_text(reader):
    for view in (
        *VIEWS,
        "service/gone.shop",
        "tap?service=gone.shop",
        f"service/{HOSTILE[0]}",
        f"services?q={HOSTILE[1]}",
    ):
        page = reader.open(view)
        page.locator("h1").wait_for()
        assert page.evaluate(
            "[window.ran, document.querySelectorAll('main :is(img, script, iframe, object)').length]"
        ) == [None, 0], view

    page = reader.open("errors")
    shows(page, f"/<img%20src=x%20onerror={RUN}>")
    shows(page, f"/<script>{RUN}</script>")
    page = reader.open("service/gone.shop")
    shows(page, HOSTILE[0])
    shows(page, HOSTILE[2])


def test_a_tapped_request_is_text_too(reader):
    page = reader.open("tap?service=gone.shop")
    shows(page, "Waiting for a request")
    while not page.locator(".tapped summary").count():
        sent(reader.mesh, "gone.shop.mesh", f"/{HOSTILE[1]}")
        page.wait_for_timeout(50)
    page.locator(".tapped summary").first.click()

    shows(page, f"GET /<script>{RUN}</script>")
    assert page.evaluate("window.ran") is None


@pytest.mark.parametrize("view", ["constructor", "__proto__", "toString/x", "constructor?q=1"])
def test_an_address_that_is_no_view_shows_the_services(reader, view):
    page = reader.open(view)

    shows(page, "Services")
    assert page.locator("h1").text_content() == "Services"


def test_no_other_host_is_asked(reader):
    for view in VIEWS:
        reader.open(view)

    assert [url for url in reader.asked if not url.startswith(f"{reader.mesh.page}/") and url != "about:blank"] == []


def test_markup_scripts_and_other_hosts_are_refused_by_the_browser_itself(reader):
    page = reader.open()

    refused = page.evaluate(
        """() => [
            () => { document.createElement('p').innerHTML = '<b>'; },
            () => { document.createElement('img').setAttribute('onerror', 'window.ran = 1'); },
            () => { document.createElement('script').textContent = 'window.ran = 1'; },
        ].map((attempt) => {
            try {
                return attempt();
            } catch (error) {
                return error.name;
            }
        })"""
    )
    elsewhere = page.evaluate(
        """() => new Promise((done) => {
            addEventListener('securitypolicyviolation', ({ effectiveDirective }) => done(effectiveDirective));
            document.body.append(Object.assign(document.createElement('img'), { src: 'https://elsewhere.example/' }));
        })"""
    )

    reader.faults.clear()  # the browser reports them
    assert (refused, elsewhere) == (["TypeError"] * 3, "img-src")


def test_no_file_of_the_page_parses_text_as_markup_or_code():
    texts = {path.name: path.read_text() for path in STATIC.iterdir()}

    assert {name: PARSERS.findall(text) for name, text in texts.items() if PARSERS.search(text)} == {}
    assert [
        name for name, text in texts.items() if re.search(r"https?://(?!www\.w3\.org/2000/svg|web\.shop\.mesh/)", text)
    ] == []


def test_every_module_is_loaded_with_the_page_and_none_is_long():
    index = (STATIC / "index.html").read_text()
    modules = {path.name for path in STATIC.glob("*.js")} - {"theme.js", "page.js"}

    assert set(re.findall(r'modulepreload" href="([^"]+)"', index)) == modules
    assert [path.name for path in STATIC.iterdir() if len(path.read_text().splitlines()) > 200] == []
