"""What nodeproxy makes of bytes and schedules, as text: the same in every build.

python -m tests.fuzz.outcomes < cases > outcomes    # a case is a line: its kind and its bytes in hexadecimal
"""

import re
import sys
from random import Random

from nodeproxy.io.task import Cancelled
from nodeproxy.mesh.build import lane
from nodeproxy.protocol import forwarded, grpc, retry_after, trace_context
from nodeproxy.protocol.fields import Fields
from nodeproxy.protocol.first_bytes import detected
from nodeproxy.protocol.http1 import request_head, response_head
from nodeproxy.protocol.http1 import scan as heads
from nodeproxy.protocol.http1.framing import decoder
from nodeproxy.protocol.http1.head import HeadLimits
from nodeproxy.protocol.http2 import plain, scan
from nodeproxy.protocol.http2.reader import FrameReader
from nodeproxy.protocol.message import UNKNOWN, Request
from nodeproxy.protocol.redis.commands import CommandReader
from nodeproxy.protocol.tls.client_hello import HelloReader
from nodeproxy.routing.canonical import canonical, without_parameters
from tests.fakes.heads import seen_request, seen_response
from tests.fakes.http2_blocks import seen
from tests.fakes.world import World
from tests.fuzz.schedules import scenario
from tests.fuzz.test_smuggling import play

_OWN = re.compile(rb"(?i)(?:date|traceparent|sec-websocket-key): [^\r]*\r\n|127\.0\.0\.1:[0-9]+")  # of each run
_TEXT = re.compile(r"(?i)(?:date|traceparent): .*?\\r\\n|127\.0\.0\.1:[0-9]+")  # the same in the text of values
LIMITS = (HeadLimits(), HeadLimits(head_bytes=120, fields=4, line_bytes=40))


def pieces_of(data):
    """The data, cut at places that it decides itself."""
    chance, pieces = Random(data), []
    while data:
        size = chance.choice((1, 2, 7, 30, 1000))
        pieces.append(data[:size])
        data = data[size:]
    return pieces


def tried(function, *arguments):
    """What it returns, or raises."""
    try:
        return function(*arguments)
    except Exception as error:
        return type(error).__name__, str(error)


def request(data):
    return [
        tried(lambda limits=limits, read=read: seen_request(read(data, limits)))
        for limits in LIMITS
        for read in (request_head.scan_request, heads.scan_request)
    ]


def response(data):
    return [
        tried(lambda limits=limits, read=read: seen_response(read(data, limits)))
        for limits in LIMITS
        for read in (response_head.scan_response, heads.scan_response)
    ]


def body(data):
    def fed(body):
        return [tried(body.feed, piece) for piece in pieces_of(data)], tried(body.end), body.done, body.surplus

    return [fed(decoder(length)) for length in (UNKNOWN, 5, len(data))] + [fed(decoder(UNKNOWN, until_close=True))]


def http2(data):
    found = []
    for receives in ("requests", "responses"):
        for implementation in (plain, scan):
            reader = FrameReader(receives, LIMITS[0], implementation)
            frames = [seen(frame) for piece in pieces_of(data) for frame in reader.feed(piece)]
            found.append((frames, reader.broken and (reader.broken.code, str(reader.broken))))
    return found


def hello(data):
    reader = HelloReader()
    return [reader.feed(piece) for piece in pieces_of(data)]


def redis(data):
    counts, gave_up = {}, []
    reader = CommandReader(counts, lambda: gave_up.append(True))
    for piece in pieces_of(data):
        reader.feed(piece)
    return sorted(counts.items()), gave_up


def fields(data):
    """The data as field lines, read and edited."""
    lines = b"".join(b"%b\r\n" % line for line in data.split(b"\n") if b":" in line and b"\r" not in line)
    block = Fields(lines)
    found = [tried(block.get, b"x-a"), tried(block.only, b"x-a"), tried(retry_after.retry_after_s, block)]
    found += [tried(trace_context.parent_of, block, traced, b3) for traced in (False, True) for b3 in (False, True)]
    found += [tried(grpc.status_in, lines), tried(forwarded.forwarded, b"\r\n" + lines)]
    asked = tried(lambda: Request(b"POST", b"a", b"/", Fields(lines)))
    found += [tried(lambda: (grpc.take_timeout(asked), asked.fields.block()))]
    for edit in (block.set, block.add):
        tried(edit, b"x-b", data[:20])
    tried(block.remove, b"x-a")
    tried(block.drop_only, b"x-c")
    return found, tried(block.block)


def path(data):
    return canonical(data), without_parameters(data), detected(data)


def stream(data):
    """A connection that sends it in pieces: what the endpoint received and the client was told."""
    log, answered, counted, bugs = played(data)
    return [_OWN.sub(b"", each) for each in (*log, answered)], counted, bugs


def http2_stream(data):
    """The same of a connection that begins with the preface of HTTP/2: the frames that the client was sent."""
    log, answered, counted, bugs = played(data)
    frames = FrameReader("responses", HeadLimits(), plain).feed(answered)
    return [_OWN.sub(b"", each) for each in log], _TEXT.sub("", repr([seen(each) for each in frames])), counted, bugs


def played(data):
    """What the endpoint received in each connection, the client was told, and the mesh counted; its bugs."""
    log, answered = [], []
    with World() as world:

        async def scenario():
            answered.append(await play(world, pieces_of(data), log))

        world.run(scenario())
        bugs = [repr(bug) for bug in world.bugs if not isinstance(bug, Cancelled)]
        world.bugs.clear()
        stats = world.stats.unrouted.requests, world.route.stats.requests
    counted = [sorted((*key, count) for key, count in each.items()) for each in stats]
    return log, answered[0], counted, bugs


def schedule(data):
    """A service under chance, see `schedules`."""
    seen = []
    with World() as world:
        world.run(scenario(world, data, seen))
    return [_TEXT.sub("", repr(each)) for each in seen]


KINDS = {
    each.__name__: each
    for each in (request, response, body, http2, hello, redis, fields, path, stream, http2_stream, schedule)
}


def main():
    print(lane())
    for line in sys.stdin:
        kind, _, data = line.partition(" ")
        print(repr(tried(KINDS[kind], bytes.fromhex(data))))


if __name__ == "__main__":
    main()
