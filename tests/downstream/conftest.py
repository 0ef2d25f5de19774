"""Fixtures of more than one module here."""

import pytest

from tests.fakes.udp import UdpService


@pytest.fixture
def udp_service(world):
    """Makes services, closed after the test."""
    made = []

    def one(*arguments, **changes):
        made.append(UdpService(world, *arguments, **changes))
        return made[-1]

    yield one
    for each in made:
        each.close()
