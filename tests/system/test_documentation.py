"""What the documentation shows is true."""

import re
from pathlib import Path

from nodeproxy.settings import Settings
from tests.fakes.node import Node, command, server, service

ROOT = Path(__file__).parents[2]
NAMES = (ROOT / "docs" / "names.md").read_text()
POLICIES = (ROOT / "docs" / "policies" / "README.md").read_text()


def test_the_policy_table_of_the_manifests_is_valid(tmp_path):
    table = (ROOT / "manifests" / "base" / "policy.yaml").read_text()
    (tmp_path / "policy.yaml").write_text(table)

    done = command("check", str(tmp_path))

    assert done.returncode == 0, done.stdout


def test_the_policy_maps_of_the_documentation_are_valid(tmp_path):
    example = re.search(r"```yaml\n(apiVersion.*?)```", POLICIES, re.DOTALL)
    (tmp_path / "policy.yaml").write_text(example[1])

    done = command("check", str(tmp_path))

    assert done.returncode == 0, done.stdout


def test_the_curl_lines_of_the_documentation_answer(tmp_path):
    folder = tmp_path / "mesh"
    folder.mkdir()
    with server("one") as port:
        (folder / "web.yaml").write_text(service("reviews", port))
        with Node(folder) as node:
            lines = re.findall(r"^    (.*curl .*)$", NAMES, re.MULTILINE)
            answers = [node.shell(line.replace(Settings().listen, f"127.0.0.1:{node.port}")) for line in lines]

    assert answers == ["one", "one"]


def test_no_module_is_longer_than_400_lines():
    modules = [path for package in ("nodeproxy", "discovery") for path in ROOT.glob(f"{package}/**/*.py")]

    assert {"nodeproxy/io/task.py", "discovery/cluster_dns/corefile.py"} <= {
        str(path.relative_to(ROOT)) for path in modules
    }
    assert {path.name: lines_of(path) for path in modules if lines_of(path) > 400} == {}


def lines_of(path):
    return len(path.read_text().splitlines())
