"""A real Prometheus that scrapes one target, from Debian's package."""

import http.client
import json
import signal
from contextlib import contextmanager
from urllib.parse import urlencode

from tests.fakes.node import LIMIT_S, until
from tests.fakes.ports import free_port
from tests.fakes.programs import listens, own_folder, program, running, unprivileged

PACKAGE = "prometheus"
CONFIG = """
global: {scrape_interval: 1s, evaluation_interval: 1s}
rule_files: [%s]
scrape_configs:
  - job_name: nodeproxy
    static_configs: [{targets: ["127.0.0.1:%d"], labels: {node: one}}]
"""


class Prometheus:
    """Its HTTP API."""

    def __init__(self, port):
        self._port = port

    def ready(self):
        """Whether it answers questions: it listens earlier."""
        return self._get("/-/ready")[0] == 200

    def _get(self, path):
        connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=LIMIT_S)
        try:
            connection.request("GET", path)
            answer = connection.getresponse()
            return answer.status, answer.read()
        finally:
            connection.close()

    def data(self, path, **parameters):
        """What it answers; it must not refuse the question."""
        answer = json.loads(self._get(f"/api/v1/{path}?{urlencode(parameters)}")[1])
        assert answer["status"] == "success", f"{parameters}: {answer}"
        return answer["data"]

    def query(self, expression):
        """The series of an instant query that are numbers, by their labels."""
        found = self.data("query", query=expression)["result"]
        values = [(each["metric"], float(each["value"][1])) for each in found]
        return [(labels, value) for labels, value in values if value == value]


@contextmanager
def prometheus(target_port, rules):
    """Scrapes the page at this port of loopback once a second, and evaluates the rules as often."""
    path, port = program(PACKAGE, "prometheus"), free_port()
    with own_folder() as folder:
        config, copied, log = folder / "prometheus.yaml", folder / "rules.yaml", folder / "prometheus.log"
        copied.write_text(rules.read_text())
        config.write_text(CONFIG % (copied, target_port))
        command = unprivileged(
            path,
            f"--config.file={config}",
            f"--storage.tsdb.path={folder / 'data'}",
            f"--web.listen-address=127.0.0.1:{port}",
            "--enable-feature=exemplar-storage",
        )
        with running(*command, log=log, end=signal.SIGTERM, folder=folder) as process:
            found = Prometheus(port)
            until(lambda: process.poll() is not None or (listens(port) and found.ready()), "Prometheus")
            assert process.poll() is None, log.read_text()
            yield found
