from collections.abc import Iterator

import pytest

from discovery.log import logger


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(autouse=True)
def _own_log() -> Iterator[None]:
    """Discards log lines, and restores the logger after each test."""
    before = logger.handlers, logger.level, logger.propagate
    yield
    logger.handlers, logger.level, logger.propagate = before
