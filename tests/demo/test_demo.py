"""The tour, as a person would run it."""

import os
import re
import signal
import socket
import subprocess
import sys
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from nodeproxy.demo import lines
from nodeproxy.demo.__main__ import STEPS as KNOWN

LIMIT_S = 600  # of the whole tour, which takes less than a minute; a machine under load is slow
STEPS = {
    "healthy": "services by name",
    "break": "an endpoint breaks, and no client notices",
    "canary": "a canary, by editing a file",
    "flood": "one pod floods a service",
    "diagnose": "a broken service, explained",
}


@pytest.fixture(scope="module")
def tour():
    """What each step of the whole tour prints, which is not on a terminal and so ends by itself."""
    done = run()
    assert done.returncode == 0, done.stdout + done.stderr
    parts = re.split(r"^\d of 5 · (.*?) ─+$", done.stdout, flags=re.MULTILINE)
    assert parts[1::2] == [*STEPS.values()]
    return dict(zip(STEPS, parts[2::2], strict=True))


def test_each_step_can_be_asked_for_by_name():
    assert "|".join(KNOWN) in run("--help").stdout
    assert [*KNOWN] == [*STEPS]


def counted(shown, series):
    """What the node's /metrics have counted of a series."""
    return int(re.search(rf"^ *(\d+)  {re.escape(series)}$", shown, re.MULTILINE)[1])


def test_healthy_services_are_called_by_name(tour):
    shown = tour["healthy"]

    assert re.search(r"^ shop/cart +ratings +ratings-a +100 +200: 100 ", shown, re.MULTILINE)
    for service in ("reviews", "ratings"):
        series = f'nodeproxy_requests_total{{service="{service}", source_workload="cart", status="200"}}'
        assert counted(shown, series) == 100
    assert "its server speaks first: '220 lines-a ready', then 'HELLO'" in shown


def test_an_endpoint_that_breaks_is_ejected_and_no_client_sees_it(tour):
    shown = tour["break"]
    received = int(re.search(r"reviews-b got (\d+) of them", shown)[1])

    assert re.findall(r"^ shop/cart +reviews +\S+ +\d+ +(\S.*?) {2}", shown, re.MULTILINE) == ["200: 200"]
    assert counted(shown, 'nodeproxy_retries_total{service="reviews"}') == received >= 5
    assert counted(shown, 'nodeproxy_outlier_ejections_total{service="reviews"}') >= 1
    assert counted(shown, 'nodeproxy_requests_total{service="reviews", status="200"}') == 200
    assert counted(shown, 'nodeproxy_requests_total{service="reviews", status="503"}') == 0
    assert re.search(r"attempt at \S+ 503.*\n +.*retried-gateway-error\n.*attempt at \S+ 200", shown)
    assert "at the end of its ejection, it gets requests again" in shown


def test_a_canary_gets_exactly_its_share(tour):
    shares = re.findall(r"of the next 200 requests v1 got (\d+) and v2 got (\d+)", tour["canary"])

    assert [sum(map(int, each)) for each in shares] == [200, 200, 200]
    for (_, new), share in zip(shares, (20, 100, 0), strict=True):
        assert abs(int(new) - share) <= (share > 0)  # within one at every moment, wherever the counting began


def test_a_flood_of_one_caller_is_refused_and_the_other_is_served(tour):
    shown = tour["flood"]
    series = 'nodeproxy_requests_total{{service="ratings", source_workload="{}", status="{}"}}'
    cart, batch = (re.search(rf"shop/{name}: (\d+) of (\d+) requests served", shown) for name in ("cart", "batch"))

    assert cart[1] == cart[2] and int(batch[1]) < int(batch[2])
    assert counted(shown, series.format("cart", 200)) == int(cart[1]) > 0
    assert counted(shown, series.format("cart", 429)) == 0
    assert counted(shown, series.format("batch", 200)) == int(batch[1])
    assert counted(shown, series.format("batch", 429)) == int(batch[2]) - int(batch[1])
    assert "its limit is rateLimit.perCaller, 40 requests/s, burst 20" in shown


def test_a_broken_service_is_explained(tour):
    shown = tour["diagnose"]
    port = re.search(r"the endpoint of orders is at port (\d+)", shown)[1]

    assert "shop/cart gets 503 with x-mesh-error: connect-failed" in shown
    assert f"127.0.0.1:{port} refuse the connection; nothing listens there: compare the Service's targetPort" in shown
    assert "orders.shop is healthy" in shown


def test_a_service_that_is_not_reached_is_told_with_the_reason():
    with socket.create_server(("127.0.0.1", 0)) as free:
        address = free.getsockname()

    assert re.search(r"^not reached \(.*refused\); does another mesh", lines.talk(address))


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_the_lines_it_shows_work_and_nothing_is_left_when_it_is_told_to_end(number):
    with started("--keep", "--step", "healthy") as (demo, shown):
        page = re.search(r"page of the node, in a browser: +(http://\S+)", shown)[1]
        curl = re.search(r"http_proxy=.* curl http://reviews.*", shown)[0]
        environment = Path(re.search(r"for the commands below: +\. (\S+)", shown)[1])
        started_by_it = descendants(demo.pid)

        status = shell(f"{curl} --silent --output /dev/null --write-out '%{{http_code}}'")
        title = shell(f"curl --silent --noproxy '*' {page}")
        asked = shell(f". {environment}; nodeproxy services")
        demo.send_signal(number)
        exit_status = demo.wait(LIMIT_S)

    assert status == "200" and exit_status == 0
    assert "reviews.shop" in asked
    assert "<title>" in title and f"{page}#/services" in shown
    assert len(started_by_it) >= 3  # supervisor, discovery, worker
    assert [pid for pid in started_by_it if Path(f"/proc/{pid}").exists()] == []
    assert not environment.parent.exists()


def test_a_proxy_in_the_environment_is_not_asked_for_loopback():
    done = run("--step", "healthy", http_proxy="http://127.0.0.1:1")

    assert done.returncode == 0, done.stdout + done.stderr


def test_a_mesh_that_does_not_start_is_told_with_the_end_of_its_log():
    done = run(NODEPROXY_DRAIN_TIMEOUT_S="0")

    assert done.returncode == 1
    assert "did not become ready" in done.stdout and "setting drain_timeout_s" in done.stdout


def run(*flags, **environment):
    """The tour, run to its end."""
    return subprocess.run(
        [sys.executable, "-m", "nodeproxy", "demo", *flags],
        capture_output=True, text=True, timeout=LIMIT_S, check=False, env={**os.environ, **environment},
    )  # fmt: skip


@contextmanager
def started(*flags):
    """A tour that waits for its end, and what it has shown."""
    command = [sys.executable, "-m", "nodeproxy", "demo", *flags]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, start_new_session=True) as demo:
        try:
            shown = ""
            while "running until Ctrl-C" not in (line := demo.stdout.readline()):
                assert line, shown
                shown += line
            yield demo, shown
        finally:
            if demo.poll() is None:
                demo.terminate()


def shell(line):
    """What a command line prints, as a person would paste it."""
    return subprocess.run(line, shell=True, capture_output=True, text=True, timeout=LIMIT_S, check=True).stdout


def descendants(pid):
    """The processes that `pid` has started, and theirs."""
    children = []
    for task in Path(f"/proc/{pid}/task").iterdir():
        with suppress(FileNotFoundError):  # the thread of a connection that has ended
            children += [int(word) for word in (task / "children").read_text().split()]
    return children + [other for child in children for other in descendants(child)]
