"""How the state of an endpoint is told to a reader."""

import pytest

from nodeproxy.cli.service import state_text
from nodeproxy.mesh.service_view import InWorker


def endpoint(ejected_s=0.0, ejections=0, unhealthy=False, **seen):
    return InWorker(0, not ejected_s and not unhealthy, ejected_s, ejections, unhealthy, 0, 0, **seen)


@pytest.mark.parametrize(
    ("seen", "text"),
    [
        (endpoint(), "usable"),
        (endpoint(ejections=1), "usable (ejected once so far)"),
        (endpoint(weight=0.25), "25% of its share"),
        (endpoint(weight=0.999), "usable"),
        (endpoint(unhealthy=True), "unhealthy by probes"),
        (
            endpoint(ejected_s=29.54, ejections=2, why="consecutive-5xx"),
            "ejected for 29.5 s more (consecutive-5xx) (ejected 2 times so far)",
        ),
    ],
)
def test_the_state_of_an_endpoint_says_what_it_gets_and_why(seen, text):
    assert state_text(seen) == text
