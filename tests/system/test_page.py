"""The page of a running node, and `nodeproxy page`, also of another node through the API server."""

import http.client
import json
import signal
import subprocess
import sys
import threading
from contextlib import closing, contextmanager

from tests.fakes.api_exec import Api, serving
from tests.fakes.node import LIMIT_S, Node, command, service, until
from tests.fakes.ports import free_port

PODS = {"n1": ("nodeproxy-abc",)}


def asked(port, target, host="localhost"):
    with closing(http.client.HTTPConnection("127.0.0.1", port, timeout=LIMIT_S)) as connection:
        connection.request("GET", target, headers={"Host": host})
        answer = connection.getresponse()
        return answer.status, answer.read()


def errors(port):
    status, body = asked(port, "/api/errors")
    return json.loads(body)["errors"] if status == 200 else []


def is_open(port):
    try:
        return asked(port, "/api/words")[0] == 200
    except OSError:
        return False


def test_a_request_that_fails_is_in_the_page_also_after_a_restart_of_the_control_process(folder):
    port = free_port()
    (folder / "dead.yaml").write_text(service("dead"))
    with Node(folder, page=f"127.0.0.1:{port}") as node:
        node.get("dead.shop.mesh", "/basket?token=secret")
        until(lambda: is_open(port) and any(each["service"] == "dead.shop" for each in errors(port)), "the error")
        (before,) = [each for each in errors(port) if each["service"] == "dead.shop"]

        (control,) = node.children()["discovery"]
        subprocess.run(["kill", "-KILL", str(control)], check=True)
        until(lambda: node.children().get("discovery", [control]) != [control] and is_open(port), "the restart")
        until(lambda: node.get("dead.shop.mesh", "/again")[0] == 503, "the mesh")
        until(lambda: any(each["path"] == "/again" for each in errors(port)), "the error after the restart")
        status, _ = asked(port, "/", host="evil.example")

    assert (before["reason"], before["path"], before["status"]) == ("no-endpoints", "/basket", 503)
    assert "secret" not in json.dumps(before)
    assert status == 421


def test_the_address_is_printed_and_one_that_is_not_there_is_told(folder):
    config = folder.parent / "node.yaml"
    config.write_text("page: 127.0.0.1:9444\n")
    plain, as_json = command("page", "--config", str(config)), command("page", "--json", "--config", str(config))
    config.write_text("page: ''\n")
    none = command("page", "--config", str(config))

    assert plain.stdout == "http://127.0.0.1:9444/\n"
    assert json.loads(as_json.stdout) == {"address": "http://127.0.0.1:9444/"}
    assert none.returncode == 1 and "there is no page" in none.stderr


@contextmanager
def forwarding(*words):
    line = [sys.executable, "-m", "nodeproxy", "page", *words]
    process = subprocess.Popen(line, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    said = []
    reading = threading.Thread(target=lambda: said.extend(process.stderr), daemon=True)
    reading.start()
    try:
        address = process.stdout.readline()
        yield int(address.rstrip("/\n").rpartition(":")[2]), said
    finally:
        process.send_signal(signal.SIGINT)
        status = process.wait(LIMIT_S)
        reading.join(LIMIT_S)
        process.stdout.close()
        process.stderr.close()
    assert status == 0, said


def test_the_page_of_another_node_is_a_local_port(folder):
    port = free_port()
    api = Api(PODS, ports={9070: port})
    (folder / "web.yaml").write_text(service("web"))
    with Node(folder, page=f"127.0.0.1:{port}"), serving(api, folder.parent) as kubeconfig:
        until(lambda: is_open(port), "the page")
        with forwarding("--node", "n1", "--kubeconfig", str(kubeconfig)) as (local, _):
            pages = [asked(local, "/api/words"), asked(local, "/api/node")]
            refused = asked(local, "/api/node", host="evil.example")

    assert [status for status, _ in pages] == [200, 200]
    assert json.loads(pages[1][1])["workers"][0]["connected"]
    assert refused[0] == 421
    assert api.asked == [("nodeproxy-abc", 9070)] * 3


def test_what_prevents_forwarding_is_said(tmp_path):
    with serving(Api(PODS, nodes=("n1",)), tmp_path) as kubeconfig:
        unknown = command("page", "--node", "n9", "--kubeconfig", str(kubeconfig))
        with forwarding("--node", "n1", "--kubeconfig", str(kubeconfig)) as (local, closed):
            assert _broken(local)
            until(lambda: closed, "the reason")
    api = Api(PODS, forbidden=("/portforward",))
    with (
        serving(api, tmp_path) as kubeconfig,
        forwarding("--node", "n1", "--kubeconfig", str(kubeconfig)) as (local, forbidden),
    ):
        assert _broken(local)
        until(lambda: forbidden, "the reason")

    assert (unknown.returncode, unknown.stderr) == (1, "there is no node n9; there are n1\n")
    assert "pod nodeproxy-abc: no such port" in closed[0]
    assert "forbids pods/portforward in namespace nodeproxy (403" in forbidden[0]
    assert "on pods/portforward and `list` on pods" in forbidden[0]


def test_an_api_server_that_is_away_is_said_to_be_the_reason(tmp_path):
    with serving(Api(PODS), tmp_path) as kubeconfig:
        pass
    away = command("page", "--node", "n1", "--kubeconfig", str(kubeconfig))

    assert away.returncode == 1
    assert away.stderr.startswith("the API server http://127.0.0.1:") and "cannot be reached" in away.stderr


def _broken(local):
    try:
        asked(local, "/api/words")
    except (http.client.HTTPException, OSError):
        return True
    return False
