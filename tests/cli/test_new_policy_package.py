"""`nodeproxy new-policy`: the package that it makes, and what it refuses."""

import tomllib

import pytest
from typer.testing import CliRunner

from nodeproxy.cli.commands import app
from nodeproxy.cli.new_policy import CannotMake, make


def test_three_files_are_made_and_the_entry_point_has_the_name_of_the_policy(tmp_path):
    folder = make("tenantHeader", tmp_path)

    project = tomllib.loads((folder / "pyproject.toml").read_text())

    assert sorted(path.name for path in folder.iterdir()) == [
        "nodeproxy_tenant_header.py", "pyproject.toml", "test_nodeproxy_tenant_header.py",
    ]  # fmt: skip
    assert project["project"]["name"] == folder.name == "nodeproxy-tenant-header"
    assert project["project"]["entry-points"] == {
        "nodeproxy.policies": {"tenantHeader": "nodeproxy_tenant_header:POLICY"}
    }
    assert project["project"]["dependencies"] == ["nodeproxy>=0.1,<0.2"]


@pytest.mark.parametrize("name", ["", "Tenant", "a-b", "a_b", "../up", "a/b", "9lives", "class", "ä", "a" * 64, "a\n"])
def test_a_name_that_cannot_stand_in_a_table_is_refused(tmp_path, name):
    with pytest.raises(CannotMake, match="cannot be the name of a policy"):
        make(name, tmp_path)
    assert not list(tmp_path.iterdir())


def test_the_name_of_one_of_ours_is_refused(tmp_path):
    with pytest.raises(CannotMake, match="retries is a policy of nodeproxy"):
        make("retries", tmp_path)


def test_a_folder_that_is_there_is_left_as_it_is(tmp_path):
    (tmp_path / "nodeproxy-mine").mkdir()

    with pytest.raises(CannotMake, match="is there already"):
        make("mine", tmp_path)
    assert not list((tmp_path / "nodeproxy-mine").iterdir())


def test_a_folder_that_cannot_be_made_is_told(tmp_path):
    with pytest.raises(CannotMake, match="No such file or directory; --into must name a folder"):
        make("mine", tmp_path / "nowhere")


def test_the_command_says_what_to_do_next_or_what_was_wrong(tmp_path):
    run = CliRunner().invoke
    made = run(app, ["new-policy", "mine", "--into", str(tmp_path)])
    again = run(app, ["new-policy", "mine", "--into", str(tmp_path)])

    assert made.exit_code == 0 and "pip install -e" in made.output and "NODEPROXY_OWN_POLICIES=mine" in made.output
    assert again.exit_code == 2 and "is there already" in again.output
