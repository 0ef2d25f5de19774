"""What the documentation shows is true."""

import re
from pathlib import Path

from nodeproxy.policies import CHAIN
from nodeproxy.policies.table import settings_of
from nodeproxy.settings import Settings
from tests.fakes.node import Node, command, server, service

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text()


def test_the_policy_table_of_the_manifests_is_valid(tmp_path):
    table = (ROOT / "manifests" / "base" / "policy.yaml").read_text()
    (tmp_path / "policy.yaml").write_text(table)

    done = command("check", str(tmp_path))

    assert done.returncode == 0, done.stdout


def test_the_policy_table_of_the_readme_is_valid(tmp_path):
    example = re.search(r"```yaml\n(.*?)```", README, re.DOTALL)
    (tmp_path / "policy.yaml").write_text(example[1])

    done = command("check", str(tmp_path))

    assert done.returncode == 0, done.stdout


def test_the_defaults_in_the_readme_are_the_ones_in_force():
    before, _, behind = README.partition(" are in force with their defaults;")
    in_force, others = before.rpartition("\n\n")[2], behind.partition("\n[docs/policies]")[0]

    assert set(re.findall(r"`(\w+)`", in_force)) == set(settings_of({}))
    assert set(re.findall(r"`(\w+)`", others)) == {policy.name for policy in CHAIN}
    assert Settings().listen in README


def test_the_curl_lines_of_the_readme_answer(tmp_path):
    folder = tmp_path / "mesh"
    folder.mkdir()
    with server("one") as port:
        (folder / "web.yaml").write_text(service("reviews", port))
        with Node(folder) as node:
            lines = re.findall(r"^    (.*curl .*)$", README, re.MULTILINE)
            answers = [node.shell(line.replace("127.0.0.1:8077", f"127.0.0.1:{node.port}")) for line in lines]

    assert answers == ["one", "one"]


def test_no_module_is_longer_than_400_lines():
    modules = [path for package in ("nodeproxy", "discovery") for path in ROOT.glob(f"{package}/**/*.py")]

    assert {"nodeproxy/io/task.py", "discovery/cluster_dns/corefile.py"} <= {
        str(path.relative_to(ROOT)) for path in modules
    }
    assert {path.name: lines_of(path) for path in modules if lines_of(path) > 400} == {}


def lines_of(path):
    return len(path.read_text().splitlines())
