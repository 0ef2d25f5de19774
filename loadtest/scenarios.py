"""The kinds of work: what is asked, how often on one connection, and whether it is also measured at a fixed rate."""

from dataclasses import dataclass

from loadtest.peer import GRPC, GRPC_HOST, HOST, HTTP1, HTTP2, HTTP2_HOST

# What a browser's request carries by the time it has passed an edge and one service: 12 with Host.
REALISTIC_FIELDS = (
    ("user-agent", "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"),
    ("accept", "application/json, text/plain, */*"),
    ("accept-language", "en-GB,en;q=0.8,de;q=0.5"),
    ("accept-encoding", "gzip, deflate, br, zstd"),
    ("referer", "https://shop.example.com/products/4711?colour=green"),
    ("authorization", "Bearer " + "eyJhbGciOiJSUzI1NiIsInR5cCI6IkpXVCJ9." * 6),
    ("cookie", "session=0b6f8a4e2d914c73a5d2; consent=1; theme=dark; experiment=checkout-b"),
    ("x-request-id", "5f0a6f0e-8a3c-4c8e-9d53-2f6d4c1b7a90"),
    ("traceparent", "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-00"),
    ("cache-control", "no-cache"),
    ("x-tenant", "tenant-0042"),
)


@dataclass(frozen=True, slots=True)
class Scenario:
    """A kind of work. `fields` stand beside Host, or :authority. `streams` are concurrent, on each connection."""

    name: str
    title: str
    fields: tuple[tuple[str, str], ...]
    path: str = "/small"
    connections: int = 64
    fresh: bool = False  # a new connection for each request
    paced: bool = True  # also measured at a fixed rate
    per_byte: bool = False  # what counts is the bytes moved, not the requests
    protocol: str = HTTP1  # of the client
    streams: int = 1
    host: str = ""  # of HTTP/2 and gRPC: it leads to an endpoint of that protocol or another
    stretch: int = 1  # so many times as long as others

    def head(self) -> bytes:
        """The request as it goes over the wire."""
        lines = [f"GET {self.path} HTTP/1.1", f"host: {HOST}", *(f"{name}: {value}" for name, value in self.fields)]
        return "\r\n".join([*lines, "", ""]).encode()


SCENARIOS = (
    Scenario("two-fields", "Small answers, kept connections, 2 header fields", (("accept", "*/*"),)),
    Scenario("twelve-fields", "Small answers, kept connections, 12 header fields", REALISTIC_FIELDS),
    Scenario("fresh", "Small answers, a new connection for each request", (("connection", "close"),), fresh=True),
    Scenario(
        "bodies",
        "Bodies of 10 MiB",
        (("accept", "*/*"),),
        path="/body",
        connections=8,  # more would leave most answers unfinished when the short run ends
        paced=False,
        per_byte=True,
    ),
)
STREAMED = tuple(
    Scenario(
        f"{name}-{connections}x{streams}",
        f"{title}, {connections} connections with {streams} stream{'s' * (streams > 1)} each, 12 header fields",
        REALISTIC_FIELDS,
        connections=connections,
        paced=False,
        protocol=HTTP2,
        streams=streams,
        host=host,
    )
    for name, title, host in (
        ("h2-to-h2", "HTTP/2 to endpoints that speak HTTP/2", HTTP2_HOST),
        ("h2-to-h1", "HTTP/2 to endpoints that speak HTTP/1.1", HOST),
    )
    for connections, streams in ((4, 8), (32, 1))
)
UNARY = Scenario(
    "grpc-unary",
    "Unary gRPC calls, 4 connections with 8 calls each",
    tuple(pair for pair in REALISTIC_FIELDS if pair[0] in ("authorization", "x-request-id", "traceparent", "x-tenant")),
    connections=4,
    paced=False,
    protocol=GRPC,
    streams=8,
    host=GRPC_HOST,
    stretch=2,  # client and server leave a peer idle most of the time, and CPU time has a resolution of 10 ms
)
EVERY = (*SCENARIOS, *STREAMED, UNARY)
MEMORY = "memory"
IDLE_CONNECTIONS = 1000
