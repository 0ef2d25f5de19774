"""Equal policies are one object, however many services have them."""

import pytest

from nodeproxy.policies import table
from nodeproxy.policies.table import PolicyRefused, SharedSettings

QUICK = {"timeouts": {"request": "1s"}}


def test_equal_policies_share_their_settings():
    shared = SharedSettings()

    first, second = shared.of(QUICK), shared.of({"timeouts": {"request": "1s"}})

    assert first[0] is second[0] is QUICK and first[1] is second[1]


def test_different_policies_have_their_own():
    shared = SharedSettings()

    assert shared.of(QUICK)[1]["timeouts"].request_s == 1.0
    assert shared.of({"timeouts": {"request": "2s"}})[1]["timeouts"].request_s == 2.0


def test_policies_that_are_refused_are_refused_again():
    shared = SharedSettings()

    for _ in range(2):
        with pytest.raises(PolicyRefused, match="no such policy"):
            shared.of({"nonsense": {}})


def test_only_so_many_are_remembered(monkeypatch):
    monkeypatch.setattr(table, "SHARED_MOST", 2)
    shared = SharedSettings()

    for seconds in range(1, 9):
        shared.of({"timeouts": {"request": f"{seconds}s"}})

    assert len(shared._known) <= 2


def test_what_is_remembered_is_bounded_in_bytes_too(monkeypatch):
    monkeypatch.setattr(table, "SHARED_MOST_BYTES", 100)
    shared = SharedSettings()

    for seconds in range(1, 9):
        shared.of({"timeouts": {"request": f"{seconds}s"}})

    assert 1 <= sum(map(len, shared._known)) <= 100
