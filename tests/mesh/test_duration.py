"""Durations as operators write them."""

import pytest
from hypothesis import given
from hypothesis.strategies import integers

from nodeproxy.mesh.duration import duration_text, seconds


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("15s", 15.0),
        ("250ms", 0.25),
        ("1m30s", 90.0),
        ("1h", 3600.0),
        ("1h2m3s4ms", 3723.004),
        ("1.5s", 1.5),
        ("0.25s", 0.25),
        ("10us", 1e-5),
        ("10µs", 1e-5),
        ("7ns", 7e-9),
        ("0s", 0.0),
        ("0", 0.0),
        (0, 0.0),
        (0.0, 0.0),
        ("1s1s", 2.0),
    ],
)
def test_a_duration_is_so_many_seconds(text, expected):
    assert seconds(text) == pytest.approx(expected)


@pytest.mark.parametrize(
    "text",
    [
        *("", "15", "s", "-1s", "+1s", "1 s", " 1s", "1s ", "1s\n", "1S", "1d", ".5s", "1.s", "1e3s", "inf", "٣s"),
        *(15, 1.5, None, True, False, ["1s"], {"s": 1}),
    ],
)
def test_what_is_no_duration_is_refused_with_an_example_of_one(text):
    with pytest.raises(ValueError, match=r"^not a duration; write one as 250ms, 15s or 1m30s$"):
        seconds(text)


@given(minutes=integers(0, 10_000), rest=integers(0, 59))
def test_parts_add_up(minutes, rest):
    assert seconds(f"{minutes}m{rest}s") == minutes * 60 + rest


@pytest.mark.parametrize(
    ("duration_s", "text"),
    [
        (0.0, "0"), (1e-9, "1ns"), (1.5e-6, "1.5us"), (0.025, "25ms"), (0.25, "250ms"), (1.0, "1s"), (15.0, "15s"),
        (60.0, "1m"), (90.5, "1m30.5s"), (300.0, "5m"), (3600.0, "1h"), (3723.004, "1h2m3.004s"), (86400.0, "24h"),
    ],
)  # fmt: skip
def test_seconds_are_written_as_operators_write_them(duration_s, text):
    assert duration_text(duration_s) == text


@given(milliseconds=integers(0, 10**9))
def test_what_is_written_is_read_as_the_same_duration(milliseconds):
    assert seconds(duration_text(milliseconds / 1000)) == pytest.approx(milliseconds / 1000, abs=1e-9)


@pytest.mark.parametrize("text", ["87601h", "9" * 400 + "s", "87600h1ns" + "9" * 20 + "h"])
def test_a_duration_beyond_ten_years_is_refused(text):
    with pytest.raises(ValueError, match="at most 87600h"):
        seconds(text)

    assert seconds("87600h") == 87600 * 3600
