"""Fixtures of more than one folder. Scenarios that take a `world` run as tasks of its reactor, on its clock."""

import gc
import inspect
import signal
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from nodeproxy.mesh.build import this_build
from tests.fakes.builds import stale_modules
from tests.fakes.own_network import enter_own_network
from tests.fakes.world import World

# The real time of an example, and of making ten of them, depends on the machine.
settings.register_profile("nodeproxy", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("nodeproxy")


def pytest_configure():
    """Let tests end programs by SIGINT: a shell has its background jobs ignore it, and they what they start."""
    if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_report_header():
    """Which build is tested; what is compiled must be of the sources that are here."""
    if stale := stale_modules():
        pytest.exit(f"{stale[0]} has changed since it was compiled: run `make compiled`, or `make source`", 2)
    return f"build: {this_build()}"


MARKS = {"cluster": "cluster", "demo": "process", "namespaces": "namespace", "page": "process", "system": "process"}


def pytest_collection_modifyitems(items):
    """Mark every test of a folder with what it needs, and those by chance, whose lines coverage does not trace.

    Coverage is what tests reach on purpose, the same in every run; tracing takes longer than these tests.
    """
    for item in items:
        folder = item.path.relative_to(Path(__file__).parent).parts[0]
        if folder in MARKS:
            item.add_marker(MARKS[folder])
        if folder == "fuzz" or hasattr(item.obj, "hypothesis"):
            item.add_marker("no_cover")


def pytest_collection_finish(session):
    """Leave the machine's network, except for clusters: their nodes are joined there, their image fetches packages.

    What has been collected stays until the end, so the garbage collector need not look at it again and again.
    """
    if session.items and not any(item.get_closest_marker("cluster") for item in session.items):
        enter_own_network()
    gc.collect()
    gc.freeze()


@pytest.hookimpl(tryfirst=True)
def pytest_pyfunc_call(pyfuncitem):
    """Run an async test that takes a world on that world's reactor."""
    world = pyfuncitem.funcargs.get("world")
    if world is None or not inspect.iscoroutinefunction(pyfuncitem.obj):
        return None
    arguments = {name: pyfuncitem.funcargs[name] for name in pyfuncitem._fixtureinfo.argnames}
    world.run(pyfuncitem.obj(**arguments))
    return True


@pytest.fixture
def world():
    """A reactor with a clock of its own, and a mesh in front of scripted endpoints."""
    with World() as world:
        yield world


@pytest.fixture
def collector_off():
    """What is left in cycles stays."""
    gc.collect()
    gc.disable()
    yield
    gc.enable()
