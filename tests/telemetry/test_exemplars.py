"""Which requests become exemplars: those that came with a valid and sampled trace."""

import pytest

from nodeproxy.protocol.fields import Fields
from nodeproxy.telemetry.exemplars import Exemplar, sampled_trace_id
from nodeproxy.telemetry.stats import RouteStats

TRACE, SPAN = b"0af7651916cd43dd8448eb211c80319c", b"b7ad6b7169203331"


def fields(traceparent):
    return Fields(b"x: y\r\n" + (b"" if traceparent is None else b"traceparent: %b\r\n" % traceparent))


@pytest.mark.parametrize("value", [b"00-%b-%b-01", b"00-%b-%b-03", b"cc-%b-%b-01-what-the-future-will-be-like"])
def test_a_sampled_trace_is_taken(value):
    assert sampled_trace_id(fields(value % (TRACE, SPAN))) == TRACE.decode()


@pytest.mark.parametrize(
    "value",
    [
        None,
        b"",
        b"00-%b-%b-00" % (TRACE, SPAN),
        b"00-%b-%b-01-more" % (TRACE, SPAN),
        b"ff-%b-%b-01" % (TRACE, SPAN),
        b"00-%b-%b-01" % (b"0" * 32, SPAN),
        b"00-%b-%b-01" % (TRACE, b"0" * 16),
        b"00-%b-%b-01" % (TRACE.upper(), SPAN),
        b"00-%b-%b-01, 00-%b-%b-01" % (TRACE, SPAN, TRACE, SPAN),
        b'00-" # {x="1"} 0\n-%b-01' % SPAN,
    ],
)
def test_no_other_is(value):
    assert sampled_trace_id(fields(value)) == ""


def test_of_two_lines_none_is():
    line = b"traceparent: 00-%b-%b-01\r\n" % (TRACE, SPAN)

    assert sampled_trace_id(Fields(b"x: y\r\n" + line * 2)) == ""


def test_the_newest_of_a_bucket_is_kept():
    stats = RouteStats()
    for bucket, trace, seconds in ((1, "a", 0.0006), (1, "b", 0.0009), (12, "c", 3.0)):
        stats.note_exemplar(bucket, Exemplar(trace, seconds, 1.0))

    assert stats.exemplars == {1: Exemplar("b", 0.0009, 1.0), 12: Exemplar("c", 3.0, 1.0)}
