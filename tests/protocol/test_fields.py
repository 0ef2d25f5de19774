"""Header fields of a message: what edits do, what they refuse, and that no edit means no change."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nodeproxy.protocol.fields import FieldRefused, Fields

RECEIVED = b"Host: a\r\nX-One: 1\r\nx-one:\t2 \r\nB:\r\nCookie: c=1\r\n"


def test_without_edits_they_go_on_as_they_were_received():
    fields = Fields(RECEIVED)

    assert fields.get(b"x-ONE") == b"1, 2"
    assert fields.block() is RECEIVED


@pytest.mark.parametrize(
    ("name", "value"), [(b"host", b"a"), (b"X-One", b"1, 2"), (b"b", b""), (b"none", None), (b"X-On", None)]
)
def test_a_value_is_that_of_all_its_lines(name, value):
    assert Fields(RECEIVED).get(name) == value


def test_lines_of_one_name_can_be_read_one_by_one():
    assert Fields(RECEIVED).values(b"x-one") == [b"1", b"2"]


def test_set_replaces_all_lines_of_a_name_and_add_leaves_them():
    fields = Fields(RECEIVED)

    fields.add(b"X-One", b"3")
    fields.set(b"B", b" b ")
    fields.add(b"b", b"")

    assert fields.block() == b"Host: a\r\nX-One: 1\r\nx-one:\t2 \r\nCookie: c=1\r\nX-One: 3\r\nB: b\r\nb: \r\n"


def test_what_was_added_can_be_removed_and_added_again():
    fields = Fields(RECEIVED)

    fields.add(b"New", b"1")
    fields.remove(b"NEW")
    fields.remove(b"x-One")
    fields.add(b"x-one", b"3")

    assert fields.get(b"new") is None
    assert fields.block() == b"Host: a\r\nB:\r\nCookie: c=1\r\nx-one: 3\r\n"


def test_edits_are_seen_at_once():
    fields = Fields(RECEIVED)

    fields.set(b"x-one", b"3")

    assert fields.get(b"X-One") == b"3"
    assert list(fields.pairs()) == [(b"host", b"a"), (b"b", b""), (b"cookie", b"c=1"), (b"x-one", b"3")]


@pytest.mark.parametrize("spelled", [bytes.lower, bytes.upper, lambda name: name.replace(b"-", b"_")])
@pytest.mark.parametrize(
    "name",
    [
        b"host", b"content-length", b"transfer-encoding", b"connection", b"keep-alive", b"proxy-connection", b"te",
        b"trailer", b"upgrade", b"via", b"expect", b"date", b"forwarded", b"x-forwarded-for", b"x-forwarded-proto",
        b"x-forwarded-host", b"x-real-ip",
    ],
)  # fmt: skip
def test_what_belongs_to_the_sender_cannot_be_edited(name, spelled):
    for edit in (
        lambda fields, name: fields.set(name, b"1"),
        Fields.remove,
        lambda fields, name: fields.add(name, b"1"),
    ):
        fields = Fields(RECEIVED)
        with pytest.raises(FieldRefused, match="the side that sends"):
            edit(fields, spelled(name))
        assert fields.block() is RECEIVED


@pytest.mark.parametrize("name", [b"", b"a b", b"a:", b"a\r\nb", b"\xff", b":path"])
def test_what_is_no_name_is_refused(name):
    with pytest.raises(FieldRefused, match="is not a field name"):
        Fields().set(name, b"1")


@pytest.mark.parametrize("value", [b"a\r\nHost: b", b"a\nb", b"a\0b", b"\x7f", b"\r"])
def test_a_value_with_a_control_byte_is_refused(value):
    with pytest.raises(FieldRefused, match="control byte"):
        Fields().add(b"a", value)


@given(
    st.lists(
        st.tuples(
            st.sampled_from(("set", "add", "remove")),
            st.sampled_from((b"a", b"A", b"b", b"x-c")),
            st.sampled_from((b"", b"1", b"two words")),
        ),
        max_size=12,
    ),
    st.integers(0, 12),
)
def test_the_same_edits_mean_the_same_whenever_they_are_applied(edits, applied_at):
    """Edits are queued: looking at the fields in between changes nothing."""
    received = b"A: 0\r\nB: 0\r\nA: 1\r\n"
    fields, expected = Fields(received), [(b"a", b"0"), (b"b", b"0"), (b"a", b"1")]
    for number, (kind, name, value) in enumerate(edits):
        if kind != "add":
            expected = [pair for pair in expected if pair[0] != name.lower()]
        if kind != "remove":
            expected.append((name.lower(), value))
        getattr(fields, kind)(*((name,) if kind == "remove" else (name, value)))
        if number == applied_at:
            fields.block()

    assert list(fields.pairs()) == expected
