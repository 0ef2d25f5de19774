"""What all tests of whole nodes need."""

import pytest


@pytest.fixture
def folder(tmp_path):
    path = tmp_path / "mesh"
    path.mkdir()
    return path
