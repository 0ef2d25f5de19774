"""docs/policies: every policy has a page, an example and a meaning for each field, and none of them is stale."""

from pathlib import Path

import msgspec
import pytest

from nodeproxy.cli.reference.__main__ import generated, write
from nodeproxy.cli.reference.fields import described
from nodeproxy.policies.chain import CHAIN

DOCS = Path(__file__).parents[2] / "docs" / "policies"
NAMES = [policy.name for policy in CHAIN]


@pytest.fixture(scope="module")
def files():
    return generated((DOCS / "README.md").read_text())


@pytest.mark.parametrize("name", ["README.md", "schema.json", *(f"{name}.md" for name in NAMES)])
def test_no_page_is_stale(files, name):
    assert (DOCS / name).is_file(), f"docs/policies/{name} is missing; run `make docs`"
    assert (DOCS / name).read_text() == files[name], f"docs/policies/{name} is stale; run `make docs`"


def test_no_page_is_of_a_policy_that_is_gone():
    assert {path.name for path in DOCS.glob("*.md")} == {"README.md", *(f"{name}.md" for name in NAMES)}
    assert {path.stem for path in (DOCS / "examples").iterdir()} == set(NAMES)


@pytest.mark.parametrize("policy", described(CHAIN), ids=NAMES)
def test_every_policy_says_what_it_does_and_what_it_counts(policy):
    assert policy.summary.endswith(".") and policy.meaning
    assert all([*policy.outcomes.values(), *policy.figures.values()])


@pytest.mark.parametrize("policy", described(CHAIN), ids=NAMES)
def test_every_field_has_a_meaning(policy):
    own = [field for field in policy.everything() if field.name != "mode" and not field.parts]

    assert [field.path for field in own if not field.meaning] == []


def test_the_pages_are_written_anew_and_those_of_former_policies_removed(tmp_path):
    (tmp_path / "README.md").write_text("# Policies\n\n<!-- policies:begin -->\nold\n<!-- policies:end -->\n\nend\n")
    (tmp_path / "former.md").write_text((DOCS / "retries.md").read_text())
    (tmp_path / "notes.md").write_text("by hand\n")

    write(tmp_path)

    readme = (tmp_path / "README.md").read_text()
    assert {path.name for path in tmp_path.iterdir()} == {"README.md", "notes.md", "schema.json"} | {
        f"{name}.md" for name in NAMES
    }
    assert "old" not in readme and readme.endswith("<!-- policies:end -->\n\nend\n")
    assert [name for name in NAMES if f"[`{name}`]({name}.md)" in readme] == NAMES
    assert set(msgspec.json.decode((tmp_path / "schema.json").read_bytes())["properties"]) == set(NAMES)


def test_a_readme_that_has_lost_its_markers_is_refused(tmp_path):
    (tmp_path / "README.md").write_text("# Policies\n")

    with pytest.raises(ValueError, match="policies:begin"):
        write(tmp_path)
