"""Fixtures of more than one folder. Scenarios that take a `world` run as tasks of its reactor, on its clock."""

import inspect
from pathlib import Path

import pytest
from hypothesis import settings

from tests.fakes.world import World

settings.register_profile("nodeproxy", deadline=None)  # an example's real time depends on the machine
settings.load_profile("nodeproxy")

MARKS = {"cluster": "cluster", "demo": "process", "namespaces": "namespace", "system": "process"}


def pytest_collection_modifyitems(items):
    """Mark every test of a folder with what it needs."""
    for item in items:
        folder = item.path.relative_to(Path(__file__).parent).parts[0]
        if folder in MARKS:
            item.add_marker(MARKS[folder])


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
