"""Every example of docs/policies/examples is a ConfigMap of valid policy tables, one of which has its policy."""

from pathlib import Path

import pytest

from discovery.kubernetes.documents import yaml_documents
from discovery.policies.table import table_of

EXAMPLES = sorted((Path(__file__).parents[2] / "docs/policies/examples").glob("*.yaml"))


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_an_example_shows_its_policy_in_a_valid_table(path):
    maps = [each.value for each in yaml_documents(path.read_bytes()) if each.value["kind"] == "ConfigMap"]

    tables = [table_of(text) for each in maps for text in each["data"].values()]

    assert any(path.stem in table for table in tables)
