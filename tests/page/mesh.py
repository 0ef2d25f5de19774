"""A node with services that work, fail and are ejected, the page that it serves, and a browser in front of it."""

import os
import threading
from contextlib import ExitStack, contextmanager

from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import expect, sync_playwright

from tests.fakes.bare_services import free_place
from tests.fakes.node import LIMIT_S, Gate, Node, policy, server, service, until
from tests.fakes.ports import free_port
from tests.fakes.programs import program

LIMIT_MS = LIMIT_S * 1000  # of any wait for the browser; Playwright's own is 5 s for what is expected
expect.set_options(timeout=LIMIT_MS)
SIZES = {"wide": {"width": 1280, "height": 800}, "phone": {"width": 360, "height": 740}}
VIEWS = (
    "services", "service/pay.shop", "map", "map/pay.shop", "map?as=table", "errors", "reasons/no-endpoints",
    "tap?service=web.shop", "node", "cluster",
)  # fmt: skip
RULES = """
outlierDetection: {consecutive5xxErrors: 1, baseEjectionTime: 1h, maxEjectionPercent: 50}
retries: {attempts: 1, retryOn: [5xx]}
"""
ROUTES = """
routes:
  rules:
    - name: beta
      match: {path: {prefix: /beta}}
      split: [{weight: 9}, {service: pay, weight: 1}]
    - name: try
      match: {path: {prefix: /try}}
      canary: {service: pay, requestsPerSecond: 5}
"""


class Mesh:
    """The running node and the address of its page."""

    def __init__(self, node, page):
        self.node = node
        self.page = page

    def called(self, *requests):
        """Sends these requests, each a service and a path."""
        return [self.node.get(f"{name}.shop.mesh", path)[0] for name, path in requests]

    def eject(self):
        """Calls pay until its sick endpoint is ejected, which it stays for longer than any test lasts."""
        usable = 'nodeproxy_endpoints{namespace="shop",port="80",service="pay",state="usable"} 1.0'
        until(lambda: self.called(("pay", "/healthz")) and usable in self.node.metrics(), "the ejection")


@contextmanager
def mesh(folder, *flags, many=0, **tables):
    """Services of the namespace shop: web works, one of two endpoints of pay fails, gone has none; and `many` more."""
    folder.mkdir()
    sick, page = Gate(), free_port()
    sick.sick = True
    with ExitStack() as stack:
        good, other, bad = (
            stack.enter_context(server(name, gate)) for name, gate in (("a", None), ("b", None), ("c", sick))
        )
        for name, ports in (("web", (good, other)), ("pay", (good, bad)), ("gone", ())):
            (folder / f"{name}.yaml").write_text(service(name, *ports, cluster_ip=free_place().cluster_ip))
        for number in range(many):
            address = f"10.97.{number >> 8}.{number & 255}"
            (folder / f"s-{number}.yaml").write_text(service(f"s-{number}", good, cluster_ip=address))
        (folder / "policy.yaml").write_text(policy(**{"pay__shop": RULES, "web__shop": ROUTES, **tables}))
        node = stack.enter_context(Node(folder, *flags, page=f"127.0.0.1:{page}"))
        yield Mesh(node, f"http://127.0.0.1:{page}")


@contextmanager
def traffic(mesh, *requests, pause_s=0.02):
    """These requests, again and again, beside the test."""
    over = threading.Event()

    def send():
        while not over.wait(pause_s):
            mesh.called(*requests)

    thread = threading.Thread(target=send)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


@contextmanager
def chromium():
    """Debian's Chromium; it ends with the block, and asyncio, which Playwright runs in this thread, is free again."""
    path = program("chromium", "chromium")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, chromium_sandbox=os.geteuid() != 0)
        try:
            yield browser
        finally:
            browser.close()


class Reader:
    """A page of the browser, and what it must not do: ask other hosts, raise errors, open dialogs."""

    def __init__(self, browser, mesh, **context):
        self.context = browser.new_context(**{"viewport": SIZES["wide"], **context})
        self.context.set_default_timeout(LIMIT_MS)
        self.page = self.context.new_page()
        self.mesh = mesh
        self.asked, self.faults = [], []
        self.page.on("request", lambda request: self.asked.append(request.url))
        self.page.on("pageerror", lambda error: self.faults.append(str(error)))
        self.page.on("dialog", lambda dialog: (self.faults.append(dialog.message), dialog.dismiss()))
        self.page.on("console", self._console)

    def _console(self, message):
        if message.type == "error" and "Failed to load resource" not in message.text:  # a 404 is shown in the view
            self.faults.append(message.text)

    def open(self, view=""):
        """Loads the page at a view and waits for its first numbers."""
        self.page.goto("about:blank")
        self.page.goto(f"{self.mesh.page}/#/{view}" if view else self.mesh.page)
        self.page.locator("#freshness[data-state=live]").wait_for()
        return self.page

    def violations(self):
        """What axe finds, each with the elements."""
        found = Axe().run(self.page).response["violations"]
        return [(each["id"], [node["html"][:120] for node in each["nodes"]][:3]) for each in found]

    def close(self):
        self.context.close()


def shows(page, text):
    """Waits until the page has this text in sight."""
    page.get_by_text(text).first.wait_for()
