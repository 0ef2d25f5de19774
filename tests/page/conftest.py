"""One browser and one node for each module; one window for each test."""

import pytest

from tests.page.mesh import Reader, chromium, mesh, traffic


@pytest.fixture(scope="module")
def browser():
    with chromium() as found:
        yield found


@pytest.fixture(scope="module")
def shop(tmp_path_factory):
    """A node whose services are being called."""
    with mesh(tmp_path_factory.mktemp("node") / "mesh", "--workers", "1") as found:
        found.eject()
        called = ("web", "/"), ("pay", "/beta"), ("web", "/beta/x"), ("web", "/try"), ("gone", "/lost")
        # more would fill the list of errors, where axe looks at the contrasts of each line
        with traffic(found, *called, pause_s=0.5):
            yield found


@pytest.fixture
def reader(browser, shop):
    window = Reader(browser, shop)
    yield window
    window.close()
    assert window.faults == []
