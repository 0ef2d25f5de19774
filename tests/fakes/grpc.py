"""gRPC by the library h2: the fields of calls, the frames of messages, and responses as a gRPC server sends them."""

from tests.fakes.http2 import request

OK = [(b"grpc-status", b"0")]
CONTENT = (b"content-type", b"application/grpc")


def call(*fields, path=b"/shop.Web/Get", content=CONTENT):
    """The fields of a call to the service web in the namespace shop."""
    return request(b"POST", path, (b"te", b"trailers"), content, *fields)


def message(data=b"x"):
    """A message, not compressed, with its length."""
    return b"\0" + len(data).to_bytes(4, "big") + data


async def answer(server, stream, *messages, status=0):
    """Send a whole response: a head, messages, and trailers with this status."""
    body = b"".join(map(message, messages))
    await server.respond(stream, body, [CONTENT], trailers=[(b"grpc-status", b"%d" % status)])


async def refuse(server, stream, status, *fields):
    """Send a response that consists of a head alone ("Trailers-Only")."""
    await server.respond(stream, b"", [CONTENT, (b"grpc-status", b"%d" % status), *fields])
