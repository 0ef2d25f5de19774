"""gRPC through a whole node, with the library that applications use: the cases of gRPC's interoperability tests.

Source: grpc/doc/interop-test-descriptions.md; those about authentication and about load reports are left out.
"""

import json
import queue
import threading
from collections import Counter

import grpc
import pytest

from tests.fakes.grpc_server import SERVICE, Echo, channel, echo_server, echo_service, failure, unary
from tests.fakes.node import LIMIT_S, Node, policy, until

MEBIBYTE = bytes(range(256)) * 4096
WHITESPACE = "\t\ntest with whitespace\r\nand Unicode BMP ☺ and non-BMP 😈\t\n"
Code = grpc.StatusCode


class Mesh:
    """A node in front of one server, and a channel through it."""

    def __init__(self, node, echo, server, channel):
        self.node = node
        self.echo = echo
        self.server = server
        self.channel = channel


@pytest.fixture(scope="module")
def mesh(tmp_path_factory):
    folder = tmp_path_factory.mktemp("grpc") / "mesh"
    folder.mkdir()
    echo = Echo()
    with echo_server(echo) as (port, server):
        (folder / "echo.yaml").write_text(echo_service(port))
        with Node(folder, "--access-log", "json") as node, channel(node) as through:
            yield Mesh(node, echo, server, through)


@pytest.mark.parametrize("message", [b"", b"x", bytes(271_828), MEBIBYTE])
def test_unary_calls(mesh, message):
    assert unary(mesh.channel)(message, timeout=LIMIT_S) == message


def test_a_stream_of_responses(mesh):
    sizes = [31_415, 9, 2_653, 58_979]

    responses = mesh.channel.unary_stream(f"/{SERVICE}/Sizes")(json.dumps(sizes).encode(), timeout=LIMIT_S)

    assert [len(response) for response in responses] == sizes


def test_a_stream_of_requests(mesh):
    messages = [bytes([index]) * size for index, size in enumerate((27_182, 8, 1_828, 45_904))]

    joined = mesh.channel.stream_unary(f"/{SERVICE}/Join")(iter(messages), timeout=LIMIT_S)

    assert joined == b"".join(messages)


def test_messages_go_to_and_fro(mesh):
    requests = queue.SimpleQueue()
    responses = mesh.channel.stream_stream(f"/{SERVICE}/Chat")(iter(requests.get, None), timeout=LIMIT_S)

    for size in (27_182, 8, 1_828, 45_904, 0):
        requests.put(bytes(size))
        assert len(next(responses)) == size
    requests.put(None)

    assert list(responses) == []
    assert responses.code() == Code.OK


def test_many_large_messages_in_both_directions_at_once(mesh):
    responses = mesh.channel.stream_stream(f"/{SERVICE}/Chat")(iter([MEBIBYTE] * 8), timeout=LIMIT_S)

    assert [response == MEBIBYTE for response in responses] == [True] * 8


def test_a_stream_without_messages(mesh):
    responses = mesh.channel.stream_stream(f"/{SERVICE}/Chat")(iter(()), timeout=LIMIT_S)

    assert list(responses) == []
    assert responses.code() == Code.OK


def test_a_call_that_is_cancelled_ends_at_the_server(mesh):
    mesh.echo.ended.clear()
    responses = mesh.channel.unary_stream(f"/{SERVICE}/Watch")(b"", timeout=LIMIT_S)
    assert next(responses) == b"first"

    responses.cancel()

    assert mesh.echo.ended.wait(LIMIT_S)
    assert responses.code() == Code.CANCELLED


def test_a_stream_of_requests_that_is_cancelled_before_the_first(mesh):
    requests = queue.SimpleQueue()
    call = mesh.channel.stream_unary(f"/{SERVICE}/Join").future(iter(requests.get, None), timeout=LIMIT_S)

    call.cancel()
    requests.put(None)

    assert call.code() == Code.CANCELLED
    assert unary(mesh.channel)(b"next", timeout=LIMIT_S) == b"next"


def test_a_deadline_reaches_the_server_and_ends_the_call_at_both(mesh):
    for deadline_s in (0.5, 2.0, 8.0, 32.0):  # the first, unless the machine is too busy for a call within it
        mesh.echo.ended.clear()
        mesh.echo.remaining_s.clear()
        error = failure(lambda deadline_s=deadline_s: unary(mesh.channel, "Sleep")(b"", timeout=deadline_s))
        if any(mesh.echo.remaining_s):
            break

    assert error.code() == Code.DEADLINE_EXCEEDED
    assert mesh.echo.ended.wait(LIMIT_S)
    assert 0 < mesh.echo.remaining_s[-1] < deadline_s + 0.1  # clients round up


def test_without_a_deadline_the_server_sees_none(mesh):
    mesh.echo.ended.set()

    unary(mesh.channel, "Sleep")(b"")

    assert mesh.echo.remaining_s[-1] is None or mesh.echo.remaining_s[-1] > 1e6


def test_metadata_goes_both_ways(mesh):
    sent = (("x-text", "some text"), ("x-bytes-bin", bytes(range(256))), ("x-twice", "a"), ("x-twice", "b"))

    _, call = unary(mesh.channel, "Metadata").with_call(b"", metadata=sent, timeout=LIMIT_S)
    head, tail = call.initial_metadata(), call.trailing_metadata()

    assert {("x-text-head", "some text"), ("x-bytes-head-bin", bytes(range(256)))} <= set(head)
    assert {("x-text-tail", "some text"), ("x-bytes-tail-bin", bytes(range(256)))} <= set(tail)
    assert [value for key, value in tail if key == "x-twice-tail"] in (["a", "b"], ["a,b"])


def test_large_metadata(mesh):
    _, call = unary(mesh.channel, "Metadata").with_call(b"", metadata=(("x-large", "y" * 3_000),), timeout=LIMIT_S)

    assert dict(call.initial_metadata())["x-large-head"] == "y" * 3_000
    assert dict(call.trailing_metadata())["x-large-tail"] == "y" * 3_000


@pytest.mark.parametrize("method", ["Fail", "FailLate"])
@pytest.mark.parametrize("code", ["UNKNOWN", "NOT_FOUND", "UNAVAILABLE", "DATA_LOSS", "RESOURCE_EXHAUSTED"])
def test_statuses_come_as_the_server_sent_them(mesh, method, code):
    asked = json.dumps({"code": code, "message": WHITESPACE, "details": {"grpc-status-details-bin": [8, 5, 18, 0]}})

    error = failure(lambda: list(mesh.channel.unary_stream(f"/{SERVICE}/{method}")(asked.encode(), timeout=LIMIT_S)))

    assert error.code() == Code[code]
    assert error.details() == WHITESPACE
    assert dict(error.trailing_metadata())["grpc-status-details-bin"] == bytes([8, 5, 18, 0])


def test_an_unknown_method_is_refused_by_the_server(mesh):
    error = failure(lambda: unary(mesh.channel, "None")(b"", timeout=LIMIT_S))

    assert error.code() == Code.UNIMPLEMENTED
    assert "x-mesh-error" not in dict(error.trailing_metadata())


def test_an_unknown_service_is_refused_by_the_mesh(mesh):
    options = [("grpc.default_authority", "none.shop.mesh"), ("grpc.use_local_subchannel_pool", 1)]
    with grpc.insecure_channel(f"127.0.0.1:{mesh.node.port}", options=options) as nowhere:
        error = failure(lambda: unary(nowhere)(b"", timeout=LIMIT_S))

    assert error.code() == Code.UNIMPLEMENTED
    assert error.details().startswith("nodeproxy: unknown-service: ")
    assert dict(error.trailing_metadata())["x-mesh-error"] == "unknown-service"


@pytest.mark.parametrize("compression", [grpc.Compression.Gzip, grpc.Compression.Deflate])
def test_compressed_messages(mesh, compression):
    message = b"compressible " * 10_000

    with channel(mesh.node, compression=compression) as compressed:
        assert unary(compressed)(message, timeout=LIMIT_S) == message
        assert list(compressed.stream_stream(f"/{SERVICE}/Chat")(iter([message] * 3), timeout=LIMIT_S)) == [message] * 3


def test_a_hundred_calls_at_a_time_on_one_connection(mesh):
    call = unary(mesh.channel)

    futures = [call.future(b"%d" % index, timeout=LIMIT_S) for index in range(300)]

    assert [future.result() for future in futures] == [b"%d" % index for index in range(300)]


def test_statuses_are_in_metrics_and_in_the_access_log(mesh):
    failure(lambda: unary(mesh.channel, "Fail")(json.dumps({"code": "ABORTED", "message": "no"}).encode()))

    def counted():
        line = 'nodeproxy_grpc_responses_total{grpc_status="10",namespace="shop",port="80",service="echo"} '
        return line in mesh.node.metrics()

    until(counted, "the status to be reported")
    until(lambda: '"grpc_status": 10' in mesh.node.log.read_text(), "the line of the access log")


def test_three_thousand_calls_of_one_channel_are_spread_evenly_over_three_endpoints(folder):
    echoes = [Echo(), Echo(), Echo()]
    with echo_server(echoes[0]) as (a, _), echo_server(echoes[1]) as (b, _), echo_server(echoes[2]) as (c, _):
        (folder / "echo.yaml").write_text(echo_service(a, b, c))
        with Node(folder) as node, channel(node) as through:
            call = unary(through)
            for _ in range(3_000):
                call(b"x", timeout=LIMIT_S)

    assert all(980 <= echo.calls <= 1_020 for echo in echoes), [echo.calls for echo in echoes]


class Callers:
    """Threads that call without a pause, each on a channel of its own; they count how their calls end."""

    def __init__(self, node, number=2):
        self.ends = Counter()
        self._node = node
        self._over = threading.Event()
        self._threads = [threading.Thread(target=self._run) for _ in range(number)]

    def __enter__(self):
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_):
        self._over.set()
        for thread in self._threads:
            thread.join(LIMIT_S)

    def more(self, number):
        """Wait until so many further calls have ended."""
        least = self.ends.total() + number
        until(lambda: self.ends.total() >= least, f"{number} calls")

    def reach(self, echo):
        """Whether some of the next calls reach this server."""
        self.more(len(self))  # those under way
        before = echo.calls
        self.more(5 * len(self))
        return echo.calls > before

    def __len__(self):
        return len(self._threads)

    def _run(self):
        with channel(self._node) as through:
            call = unary(through)
            while not self._over.is_set():
                try:
                    call(b"x", timeout=LIMIT_S)
                    self.ends["OK"] += 1
                except grpc.RpcError as error:
                    self.ends[error.code().name, error.details()] += 1


def test_a_rollout_loses_no_call(folder):
    first, second = Echo(), Echo()
    with (
        echo_server(first) as (a, old),
        echo_server(second) as (b, other),
        echo_server() as (c, _),
        echo_server() as (d, _),
    ):
        (folder / "echo.yaml").write_text(echo_service(a, b))
        with Node(folder) as node, Callers(node) as callers:
            callers.more(100)
            for echo, leaving, ports in ((first, old, (b, c)), (second, other, (c, d))):
                (folder / "echo.yaml").write_text(echo_service(*ports))
                until(lambda echo=echo: not callers.reach(echo), "the server to get no more calls")
                leaving.stop(LIMIT_S).wait(LIMIT_S)
                callers.more(100)

    assert list(callers.ends) == ["OK"]


def test_a_server_that_stops_before_it_leaves_loses_no_call(folder):
    with echo_server() as (a, old), echo_server() as (b, _), echo_server() as (c, _):
        (folder / "echo.yaml").write_text(echo_service(a, b, c))
        with Node(folder) as node, Callers(node) as callers:
            callers.more(100)
            old.stop(LIMIT_S).wait(LIMIT_S)  # GOAWAY, and its port refuses
            callers.more(200)

    assert list(callers.ends) == ["OK"]


def test_a_server_that_is_killed_loses_at_most_the_calls_under_way(folder):
    echo = Echo()
    with echo_server(echo) as (a, old), echo_server() as (b, _):
        (folder / "echo.yaml").write_text(echo_service(a, b))
        with Node(folder) as node, channel(node) as through, Callers(node) as callers:
            stuck = unary(through, "Sleep")
            calls = [stuck.future(b"", timeout=LIMIT_S) for _ in range(4)]
            until(lambda: len(echo.remaining_s) >= 1, "a call to be under way")
            callers.more(100)
            old.stop(None).wait(LIMIT_S)
            callers.more(200)
            for call in calls:
                call.cancel()

    codes = {end if end == "OK" else end[0] for end in callers.ends}
    assert codes <= {"OK", "UNAVAILABLE", "CANCELLED"}
    assert callers.ends.total() - callers.ends["OK"] <= len(callers)


class Doctor(Echo):
    """A server with the health service."""

    serving = True

    def service(self, details):
        if details.method == "/grpc.health.v1.Health/Check":
            return grpc.unary_unary_rpc_method_handler(lambda *_: b"\x08\1" if self.serving else b"\x08\2")
        return super().service(details)


def test_a_health_check_by_grpc_takes_a_server_out_of_use(folder):
    sick, well = Doctor(), Doctor()
    (folder / "policy.yaml").write_text(
        policy(echo__shop="healthCheck: {grpc: {}, interval: 100ms, timeout: 1m, unhealthyThreshold: 1}")
    )
    with echo_server(sick) as (a, _), echo_server(well) as (b, _):
        (folder / "echo.yaml").write_text(echo_service(a, b))
        with Node(folder) as node, Callers(node, 1) as callers:
            until(lambda: callers.reach(sick), "the server to be used")
            sick.serving = False
            until(lambda: not callers.reach(sick), "it not to be used")
            sick.serving = True
            until(lambda: callers.reach(sick), "it to be used again")

    assert list(callers.ends) == ["OK"]
