"""The only line of a name: found and removed by its place, not by a walk over all lines."""

import pytest

from nodeproxy.protocol.fields import Fields

OTHERS = b"Host: a\r\n", b"X-Note: traceparent: no\r\n", b"Accept: */*\r\n"


@pytest.mark.parametrize("at", range(4))
@pytest.mark.parametrize("line", [b"traceparent: v\r\n", b"TraceParent:v \r\n"])
def test_the_only_line_is_found_wherever_it_stands(at, line):
    fields = Fields(b"".join([*OTHERS[:at], line, *OTHERS[at:]]))

    assert fields.only(b"traceparent") == b"v" and fields.mentions(b"traceparent")
    assert fields.drop_only(b"traceparent") and fields.block() == b"".join(OTHERS)


@pytest.mark.parametrize("lines", [(), (b"traceparent: a\r\n", b"Traceparent: b\r\n"), (b"x-traceparent: a\r\n",)])
def test_where_there_is_none_or_several_nothing_is_removed(lines):
    block = b"".join([*lines, *OTHERS])
    fields = Fields(block)

    assert fields.only(b"traceparent") is None
    assert not fields.drop_only(b"traceparent") and fields.block() == block


def test_lines_that_were_added_count_too():
    fields = Fields(b"Accept: */*\r\n")
    fields.add(b"traceparent", b"v")

    assert fields.only(b"traceparent") == b"v"
