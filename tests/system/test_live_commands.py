"""`tap`, `top`, `routes` and completion against a running node."""

import json
import os
import signal
import subprocess
import sys
import threading
from contextlib import contextmanager

import pytest

from nodeproxy.mesh.taps import TAPS_MOST
from tests.fakes.api_exec import Api, serving
from tests.fakes.node import LIMIT_S, Gate, command, environment, policy, server, service, until
from tests.system.test_node_commands import running


class Live:
    """A live command that runs, and what it has printed."""

    def __init__(self, config, *words):
        line = [sys.executable, "-m", "nodeproxy", *words, "--config", str(config)]
        self.process = subprocess.Popen(line, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        self.lines = []
        self._reading = threading.Thread(target=lambda: self.lines.extend(self._each()), daemon=True)
        self._reading.start()

    def _each(self):
        for line in self.process.stdout:
            self.lines.append(line.rstrip("\n"))
        return ()

    def requests(self):
        return [found for line in self.lines if (found := json.loads(line))["type"] == "request"]

    def ended(self):
        """Exit status and stderr."""
        status = self.process.wait(LIMIT_S)
        self._reading.join(LIMIT_S)
        return status, self.process.stderr.read()


@contextmanager
def live(folder, *words):
    shown = Live(folder.parent / "node.yaml", *words)
    try:
        until(lambda: shown.lines, "the first line")
        yield shown
    finally:
        shown.process.kill()
        shown.process.wait(LIMIT_S)
        shown.process.stdout.close()
        shown.process.stderr.close()


def tapping(folder, *words):
    return live(folder, "tap", *words)


def sent_until(node, seen, *paths, host="web.shop.mesh"):
    """Send requests until `seen`: a tap is on when its workers have heard of it."""

    def sent():
        for path in paths:
            node.get(host, path)
        return seen()

    until(sent, "the tapped request")


def test_a_tap_shows_requests_with_each_attempt_and_filters_by_path(folder):
    sick = Gate()
    sick.sick = True
    with server("one") as one, server("sick", sick) as other:
        (folder / "web.yaml").write_text(service("web", one, other))
        (folder / "policy.yaml").write_text(policy(web__shop="retries: {attempts: 1, retryOn: [5xx]}"))
        with running(folder, "--workers", "2") as (node, _):
            until(lambda: "nodeproxy_workers 2.0" in node.metrics(), "both workers")
            with tapping(folder, "web.shop", "--path", "/healthz", "--json") as tap:
                sent_until(
                    node, lambda: any(len(each["attempts"]) == 2 for each in tap.requests()), "/other", "/healthz"
                )

    assert json.loads(tap.lines[0]) == {"type": "tap", "service": "shop/web", "workers": 2, "ends_after_s": 600.0}
    assert {each["path"] for each in tap.requests()} == {"/healthz"}
    retried = next(each for each in tap.requests() if len(each["attempts"]) == 2)
    first, second = retried["attempts"]
    assert (first["endpoint"], first["outcome"], second["endpoint"]) == (f"127.0.0.1:{other}", 500, f"127.0.0.1:{one}")
    assert (second["outcome"], retried["status"]) == (200, 200)
    assert 0 <= first["began_s"] <= first["first_byte_s"] <= first["ended_s"] <= second["ended_s"]
    assert [each["outcome"] for each in retried["decisions"]] == ["retried-5xx"]


def test_a_tap_ends_after_so_many_requests_and_says_them_for_people(folder):
    with server("one") as one:
        (folder / "web.yaml").write_text(service("web", one))
        with running(folder) as (node, _), tapping(folder, "web.shop", "--count", "2") as tap:
            sent_until(node, lambda: tap.process.poll() is not None, "/")
            status, _ = tap.ended()

    assert status == 0 and sum("GET / from node (127.0.0.1) to shop/web:80: 200" in line for line in tap.lines) == 2
    assert tap.lines[0] == "tapping shop/web in 1 worker; ends after 10m"


@contextmanager
def another_node(folder, commands=None):
    """An API server whose node n1 is the one that runs with this folder; its kubeconfig.

    The processes that run there are added to `commands`.
    """
    config = folder.parent / "node.yaml"

    def in_pod(words):
        line = [sys.executable, "-m", *words, "--config", str(config)]
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
        process = subprocess.Popen(line, **pipes)
        if commands is not None:
            commands.append(process)
        return process

    with serving(Api({"n1": ("nodeproxy-abc",)}, run=in_pod), folder.parent) as kubeconfig:
        yield kubeconfig


def test_top_of_another_node_shows_its_intervals(folder):
    with server("one") as one, another_node(folder) as kubeconfig:
        (folder / "web.yaml").write_text(service("web", one))
        there = ("--node", "n1", "--kubeconfig", str(kubeconfig))
        with running(folder) as (node, _):
            node.get("web.shop.mesh")
            until(lambda: "web" in command("services", *there).stdout, "the first report")
            shown = command("top", "web.shop", "--once", *there)
            as_json = command("top", "--interval", "0.2", "--count", "2", "--json", *there)
        gone = command("top", "--once", *there)

    assert (shown.returncode, as_json.returncode, gone.returncode) == (0, 0, 1), as_json.stderr
    assert "web.shop" in shown.stdout and "requests/s" in shown.stdout
    assert [each["services"][0]["service"] for each in map(json.loads, as_json.stdout.splitlines())] == ["web", "web"]
    assert "node n1: " in gone.stderr and "check that nodeproxy runs" in gone.stderr


def test_a_tap_of_another_node_shows_each_request_while_it_goes_on(folder):
    with server("one") as one, another_node(folder) as kubeconfig:
        (folder / "web.yaml").write_text(service("web", one))
        words = ("--path", "/a", "--count", "2", "--json", "--node", "n1", "--kubeconfig", str(kubeconfig))
        with running(folder) as (node, _), tapping(folder, "web.shop", *words) as tap:
            sent_until(node, tap.requests, "/other", "/a")
            sent_until(node, lambda: tap.process.poll() is not None, "/a")
            status, stderr = tap.ended()

    assert status == 0, stderr
    assert json.loads(tap.lines[0])["service"] == "shop/web"
    assert [each["path"] for each in tap.requests()] == ["/a", "/a"]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL])
@pytest.mark.parametrize("words", [("tap", "web.shop"), ("top", "--interval", "0.2")], ids=["tap", "top"])
def test_a_live_command_ends_in_the_pod_of_another_node_too(folder, words, number):
    commands = []
    with server("one") as one, another_node(folder, commands) as kubeconfig:
        (folder / "web.yaml").write_text(service("web", one))
        there = ("--json", "--node", "n1", "--kubeconfig", str(kubeconfig))
        with running(folder), live(folder, *words, *there) as shown:
            (command,) = commands
            before = command.poll()

            shown.process.send_signal(number)
            try:
                until(lambda: command.poll() is not None, "the end in the pod")
            finally:
                command.kill()
            status, told = shown.ended()

    assert before is None
    assert (command.returncode, told) == (0, "")
    assert status == (0 if number == signal.SIGINT else -signal.SIGKILL)


def test_a_tap_goes_on_in_a_worker_that_replaces_another_and_ends_with_the_control_process(folder):
    with server("one") as one:
        (folder / "web.yaml").write_text(service("web", one))
        with running(folder) as (node, _), tapping(folder, "web.shop", "--json") as tap:
            sent_until(node, tap.requests, "/before")
            (worker,) = node.children()["worker"]
            os.kill(worker, signal.SIGKILL)
            until(lambda: node.children().get("worker", [worker]) != [worker] and node.is_ready(), "the next worker")
            sent_until(node, lambda: tap.requests()[-1]["path"] == "/after", "/after")
            (control,) = node.children()["discovery"]
            os.kill(control, signal.SIGKILL)
            status, told = tap.ended()
            answered = node.get("web.shop.mesh")

    assert (status, told) == (1, "the control process has ended the tap; see `nodeproxy status`\n")
    assert answered == (200, "one")


def test_what_a_tap_cannot_do_is_said(folder):
    with server("one") as one:
        (folder / "web.yaml").write_text(service("web", one))
        with running(folder) as (_, ask):
            unknown, unreadable = ask("tap", "wep.shop"), ask("tap", "web.shop", "--status", "many")
            config, taps = folder.parent / "node.yaml", []
            try:
                taps += [Live(config, "tap", "web.shop") for _ in range(TAPS_MOST)]
                until(lambda: all(tap.lines for tap in taps), "all taps")
                refused = ask("tap", "web.shop")
            finally:
                for tap in taps:
                    tap.process.send_signal(signal.SIGINT)
            ended = [tap.ended() for tap in taps]
            for tap in taps:
                tap.process.stdout.close()
                tap.process.stderr.close()

    assert unknown.returncode == unreadable.returncode == refused.returncode == 1
    assert unknown.stderr == "there is no service wep in namespace shop in the mesh; close to it: web.shop\n"
    assert unreadable.stderr == "--status: write 5xx for a class or 404 for a single status, got 'many'\n"
    assert refused.stderr == "4 taps are open on this node, which is the most; end one of them\n"
    assert ended == [(0, "")] * TAPS_MOST


def test_top_shows_what_happens_now(folder):
    with server("one") as one:
        (folder / "web.yaml").write_text(service("web", one))
        with running(folder) as (node, ask):
            node.get("web.shop.mesh")
            until(lambda: '"requests":1' in ask("services", "--json").stdout, "the report")
            stop = threading.Event()
            turns = iter(lambda: stop.wait(0.02), True)  # a load, not a flood
            load = threading.Thread(target=lambda: [node.get("web.shop.mesh") for _ in turns])
            load.start()
            try:
                seen = json.loads(ask("top", "web.shop", "--once", "--interval", "3", "--json").stdout)
                shown = ask("top", "--once", "--interval", "3").stdout
            finally:
                stop.set()
                load.join()

    (web,) = seen["services"]
    assert (web["service"], web["endpoints"], web["usable"], web["error_ratio"]) == ("web", 1, 1, 0.0)
    assert web["requests_per_s"] > 0 and 0 < web["p50_s"] <= web["p99_s"]
    assert "web.shop" in shown and "1 of 1" in shown and "requests/s" in shown


def test_routes_are_shown_with_how_often_each_was_chosen(folder):
    rules = "routes: [{name: api, match: {path: {prefix: /api}}}, {match: {method: GET}}]"
    with server("one") as one:
        (folder / "web.yaml").write_text(service("web", one))
        (folder / "policy.yaml").write_text(policy(web__shop=rules))
        with running(folder, "--workers", "2") as (node, ask):
            for path in ("/api/1", "/api/2", "/other"):
                node.get("web.shop.mesh", path)
            until(lambda: '"requests":3' in ask("routes", "web.shop", "--json").stdout, "the reports")
            (port,) = json.loads(ask("routes", "web.shop", "--json").stdout)["ports"]
            shown = ask("routes", "shop/web:80").stdout

    assert [(each["rule"], each["matched"]) for each in port["rules"]] == [("api", 2), ("2", 1)]
    assert "path under /api" in shown and "web.shop port 80, 3 requests, first match wins" in shown


def test_services_that_were_never_called_are_listed_when_asked_for(folder):
    with server("one") as one:
        (folder / "web.yaml").write_text(service("web", one))
        with running(folder) as (_, ask):
            every = json.loads(ask("services", "--all", "--json").stdout)

    assert [(each["service"], each["address"], each["protocol"]) for each in every] == [("web", "127.77.0.9", "http")]


def test_a_shell_completes_commands_options_and_the_services_of_the_node(folder, tmp_path):
    with server("one") as one:
        (folder / "web.yaml").write_text(service("web", one))
        with running(folder) as _:
            script = (
                'source <("$PROGRAM" completion bash); '
                'for line in "nodeproxy comp" "nodeproxy tap --sl" "nodeproxy endpoints we"; do '
                'COMP_WORDS=($line); COMP_CWORD=$((${#COMP_WORDS[@]} - 1)); _nodeproxy_completion "$PROGRAM"; '
                'echo "${COMPREPLY[@]}"; done'
            )
            program = tmp_path / "nodeproxy"
            program.write_text(f'#!/bin/sh\nexec {sys.executable} -m nodeproxy "$@"\n')
            program.chmod(0o755)
            there = environment(run_dir=str(folder.parent / "run")) | {
                "PYTHON": sys.executable,
                "PROGRAM": str(program),
            }
            lines = []

            def has_services():
                """Two seconds are all that a person waits for the key, and the control process may be busy."""
                done = subprocess.run(["bash", "-c", script], capture_output=True, text=True, env=there, check=True)
                lines[:] = done.stdout.splitlines()
                return lines[-1] != ""

            until(has_services, "services to be completed")

    assert lines == ["completion", "--slower-than", "web.shop"]


def test_each_shell_has_a_script_of_completion():
    for shell in ("bash", "zsh", "fish"):
        done = command("completion", shell)

        assert done.returncode == 0 and "_NODEPROXY_COMPLETE=complete_" + shell in done.stdout
    assert command("completion", "tcsh").returncode == 2


def test_a_node_that_stops_ends_top_with_a_reason(folder):
    gate = Gate()
    with server("one", gate) as one:
        (folder / "web.yaml").write_text(service("web", one))
        with running(folder) as (_, ask):
            pass
        done = ask("top", "--once")

    assert done.returncode == 1 and "check that nodeproxy runs" in done.stderr
