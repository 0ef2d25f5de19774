import shutil
import socket
import threading
import time

import pytest

from loadtest.generator import open_loop
from loadtest.scenarios import Scenario
from loadtest.toolbox import Toolbox

STALL_S = 0.3
ONE_CONNECTION = Scenario("one", "", (), connections=1)
ONE_FRESH_CONNECTION = Scenario("one", "", (), connections=1, fresh=True)

pytestmark = pytest.mark.skipif(
    not (shutil.which("cc") and shutil.which("taskset")), reason="openloop is compiled and pinned at run time"
)


def answer(listener, stall_s, status):
    """Answer until the listener is closed; the first answer is late by `stall_s`."""
    while True:
        try:
            connection, _ = listener.accept()
        except OSError:
            return
        with connection:
            while connection.recv(65536):
                time.sleep(stall_s)
                stall_s = 0.0
                connection.sendall(b"HTTP/1.1 %d Any\r\ncontent-length: 2\r\n\r\nok" % status)


@pytest.fixture
def served():
    listeners = []

    def serve(stall_s=0.0, status=200):
        listeners.append(listener := socket.create_server(("127.0.0.1", 0)))
        threading.Thread(target=answer, args=(listener, stall_s, status), daemon=True).start()
        return listener.getsockname()[1]

    yield serve
    for listener in listeners:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()


@pytest.mark.parametrize("scenario", [ONE_CONNECTION, ONE_FRESH_CONNECTION], ids=["keep", "fresh"])
def test_a_stall_is_charged_to_every_request_that_it_held_up(served, tmp_path, scenario):
    port = served(stall_s=STALL_S)

    seen = open_loop(Toolbox(tmp_path), port, scenario, 200, (0, 0.5))

    # One of 100 requests is late by itself; those due while it was are half of them, on average by half the stall.
    assert seen.requests == 100
    assert seen.p50_s > STALL_S / 20
    assert seen.p99_s > STALL_S * 0.9
    assert not any(seen.errors.values())


def test_what_comes_while_warming_up_is_not_measured(served, tmp_path):
    seen = open_loop(Toolbox(tmp_path), served(stall_s=0.05), ONE_CONNECTION, 200, (0.25, 0.25))

    assert seen.requests == 50


def test_bad_answers_are_counted_and_not_measured(served, tmp_path):
    seen = open_loop(Toolbox(tmp_path), served(status=503), ONE_CONNECTION, 200, (0, 0.1))

    assert seen.requests == 0
    assert seen.errors["status"] == 20


def test_a_port_where_nobody_listens_ends_the_run_soon(tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]

    seen = open_loop(Toolbox(tmp_path), port, ONE_CONNECTION, 1000, (0, 1))

    assert seen.errors["connection"] > 100
