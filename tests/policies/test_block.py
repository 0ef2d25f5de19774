"""What all settings share: their spelling in YAML, their strictness, that they cannot change."""

import pytest
from pydantic import ValidationError

from nodeproxy.policies.block import Block, Duration


class Queue(Block):
    wait_s: Duration = 1.0
    most_waiting: int = 7
    backend_request_s: Duration = 2.0


def test_a_field_is_written_in_camel_case_without_its_unit():
    queue = Queue.model_validate({"wait": "250ms", "mostWaiting": 3, "backendRequest": "1m"})

    assert (queue.wait_s, queue.most_waiting, queue.backend_request_s) == (0.25, 3, 60.0)


def test_what_is_left_out_is_as_usual():
    assert Queue.model_validate({}) == Queue()


@pytest.mark.parametrize(
    "written",
    [
        {"wait_s": "1s"},
        {"most_waiting": 3},
        {"other": 1},
        {"mostWaiting": "3"},
        {"mostWaiting": True},
        {"mostWaiting": 3.0},
        {"wait": 1},
        {"wait": "1 s"},
        {"wait": None},
    ],
)
def test_nothing_is_guessed(written):
    with pytest.raises(ValidationError):
        Queue.model_validate(written)


def test_settings_cannot_be_changed_and_can_be_looked_up():
    queue = Queue()

    with pytest.raises(ValidationError):
        queue.most_waiting = 9

    assert hash(queue) == hash(Queue())
