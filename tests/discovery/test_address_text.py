"""Addresses as an API server returns them."""

import pytest

from discovery.kubernetes.address_text import plain


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("10.0.0.1", "10.0.0.1"),
        ("10.0.0.0", "10.0.0.0"),
        ("010.000.096.09", "10.0.96.9"),
        ("0.1.2.3", "0.1.2.3"),
        ("::ffff:10.96.3.3", "10.96.3.3"),
        ("::ffff:010.96.3.03", "10.96.3.3"),
        ("::ffff:a60:303", "10.96.3.3"),
        ("FD00:0:0::0001", "fd00::1"),
        ("fd00::10.0.0.1", "fd00::a00:1"),
    ],
)
def test_an_address_has_one_spelling(text, expected):
    assert plain(text) == expected


@pytest.mark.parametrize("text", ["", "web", "10.0.0", "10.0.0.256", "fd00::1%eth0x%"])
def test_what_is_no_address_is_none(text):
    with pytest.raises(ValueError, match="address"):
        plain(text)
