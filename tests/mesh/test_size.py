"""Sizes as operators write them."""

import pytest
from hypothesis import given
from hypothesis.strategies import integers, sampled_from

from nodeproxy.mesh.size import size_bytes, size_text


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        *((0, 0), (65536, 65536), ("0", 0), ("65536", 65536), ("1k", 1000), ("1Ki", 1024), ("64Ki", 65536)),
        *(("1M", 10**6), ("1Mi", 2**20), ("2G", 2 * 10**9), ("2Gi", 2**31)),
    ],
)
def test_a_size_is_so_many_bytes(text, expected):
    assert size_bytes(text) == expected


@pytest.mark.parametrize(
    "text",
    [
        *("", "Ki", "-1", "+1", "1 Ki", " 1", "1\n", "1K", "1ki", "1KB", "1B", "1.5Mi", "1e3", "0x10", "٣", "9" * 16),
        *(-1, 1.5, 1.0, None, True, ["1Ki"]),
    ],
)
def test_what_is_no_size_is_refused_with_an_example_of_one(text):
    with pytest.raises(ValueError, match=r"^not a size; write one as 65536, 64Ki or 1Mi$"):
        size_bytes(text)


@given(number=integers(0, 10**9), unit=sampled_from(["k", "M", "G", "Ki", "Mi", "Gi"]))
def test_a_unit_multiplies(number, unit):
    assert size_bytes(f"{number}{unit}") == number * size_bytes(f"1{unit}")


@pytest.mark.parametrize(
    ("size", "text"), [(0, "0"), (1000, "1000"), (65536, "64Ki"), (65537, "65537"), (2**20, "1Mi"), (3 * 2**30, "3Gi")]
)
def test_a_size_is_written_in_the_largest_unit_without_a_fraction(size, text):
    assert size_text(size) == text


@given(size=integers(0, 10**15 - 1))
def test_a_size_that_is_written_is_read_as_the_same(size):
    assert size_bytes(size_text(size)) == size
