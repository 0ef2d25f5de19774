"""The commands: what they say, above all when something is wrong."""

import re
import socket
import subprocess
import sys

import pytest
from pydantic import ValidationError

from nodeproxy.cli.configuration import read_settings
from nodeproxy.setting_text import OLD_TRUST
from nodeproxy.settings import Settings
from nodeproxy.settings_file import UnusableFile, check_file
from tests.fakes.node import command, free_port, service


@pytest.mark.parametrize(
    ("flags", "told"),
    [
        (
            ["--listen", "0.0.0.0:80"],
            "setting listen: never listen on a wildcard address: the host network is not ours, got '0.0.0.0:80'",
        ),
        (
            ["--listen", "localhost:8077"],
            "setting listen: write an address as 127.0.0.1:8077 or [::1]:8077; a name may resolve to"
            " several, got 'localhost:8077'",
        ),
        (["--workers", "0"], "setting workers: Input should be greater than or equal to 1, got 0"),
        (
            ["--admin", "127.0.0.1:8077"],
            "settings: admin and listen are both at 127.0.0.1:8077; use different ports",
        ),
        (
            ["--listen", "192.0.2.1:8077"],
            "cannot listen at 192.0.2.1:8077: Cannot assign requested address (`nodeproxy net up`"
            " adds the mesh's own to a node); change `listen`",
        ),
        (["--discovery", "files:/nowhere"], "discovery: cannot read the folder /nowhere: No such file or directory"),
        (["--discovery", "kube:/nowhere"], "discovery: cannot read the kubeconfig /nowhere: No such file or directory"),
        (["--config", "/nowhere.yaml"], "--config /nowhere.yaml: no such file"),
    ],
)
def test_a_setting_that_cannot_work_is_one_sentence_and_status_2(flags, told):
    done = command("run", *flags)

    assert (done.returncode, done.stderr, done.stdout) == (2, told + "\n", "")


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (b"listen: [", "{config}: not YAML in line 1: expected the node content, but found '<stream end>'"),
        (b"- listen", "{config}: contains no settings; write each as `name: value`"),
        (b"just words", "{config}: contains no settings; write each as `name: value`"),
        (b"1: 2", "{config}: contains no settings; write each as `name: value`"),
        (b"listen: \xff", "{config}: not YAML in UTF-8"),
    ],
)
def test_a_file_that_holds_no_settings_is_told(tmp_path, text, told):
    config = tmp_path / "settings.yaml"
    config.write_bytes(text)

    with pytest.raises(UnusableFile) as caught:
        check_file(config)

    assert f"{{config}}: {caught.value}" == told


def test_a_settings_file_that_cannot_work_is_told_for_each_command(tmp_path):
    config = tmp_path / "settings.yaml"
    config.write_text(f"run_dir: {config}\n")
    for text, told in (
        (f"run_dir: {config}", f"run_dir: cannot create a socket in {config}: File exists\n"),
        (
            "lissten: 127.0.0.1:1",
            "setting lissten: unknown setting; `nodeproxy settings` lists all, got '127.0.0.1:1'\n",
        ),
        ("trust_forwarded: true", f"setting trust_forwarded: {OLD_TRUST}, got True\n"),
        (
            "drain_timeout_s: -1\nworkers: many",
            "setting workers: Input should be a valid integer, unable to parse string as an integer, got 'many'\n"
            "setting drain_timeout_s: Input should be greater than 0, got -1\n",
        ),
    ):
        config.write_text(text)
        done = command("run", "--config", str(config))
        assert (done.returncode, done.stderr) == (2, told)
    config.write_text("a: [")
    assert command("net", "status", "--config", str(config)).returncode == 2
    assert (
        command("cluster-dns", "show", "--config", str(tmp_path)).stderr == f"--config {tmp_path}: not a regular file\n"
    )


@pytest.mark.parametrize("kind", [socket.SOCK_STREAM, socket.SOCK_DGRAM])
def test_a_port_of_dns_that_somebody_else_has_is_told(folder, kind):
    with socket.socket(socket.AF_INET, kind) as other:
        other.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{other.getsockname()[1]}"
        done = command(
            "run", "--discovery", f"files:{folder}", "--dns", address, "--listen", f"127.0.0.1:{free_port()}"
        )

    assert (done.returncode, done.stderr) == (2, f"cannot listen at {address}: Address already in use; change `dns`\n")


def test_an_empty_settings_file_sets_nothing(tmp_path):
    config = tmp_path / "settings.yaml"
    config.write_text("# nothing yet\n")

    assert read_settings(config, {}).model_dump() == read_settings(None, {}).model_dump()


def test_all_settings_are_listed_with_what_they_mean():
    listed = command("settings").stdout

    for name, field in Settings.model_fields.items():
        assert f"\n{name} = " in f"\n{listed}" and str(field.description) in listed


@pytest.mark.parametrize(
    ("domain", "words"),
    [
        ("cluster local", "write a domain as cluster.local"),
        ("corp.mesh", "belongs to the mesh"),
        ("mesh", "belongs to the mesh"),
    ],
)
def test_a_cluster_domain_that_cannot_be_is_named(domain, words):
    with pytest.raises(ValidationError, match=words):
        Settings(cluster_domain=domain)


def test_check_names_the_place_and_exits_1(folder):
    (folder / "web.yaml").write_text(service("web", 9000).replace('"port": 80', '"port": "eighty"'))

    done = command("check", str(folder))

    assert done.returncode == 1
    assert re.search(r"web\.yaml.*shop/web.*eighty", (done.stdout + done.stderr).replace("\n", " "))


def test_every_command_explains_itself():
    for words in ([], ["run"], ["check"], ["demo"], ["settings"], ["endpoints"], ["explain"], ["cluster-dns"]):
        done = command(*words, "--help")
        assert done.returncode == 0 and "Usage: nodeproxy" in done.stdout


def test_a_way_to_the_api_server_and_a_known_style_are_needed_for_the_clusters_dns(tmp_path):
    done = command("cluster-dns", "keep", "--style", "kube-dns", "--kubeconfig", str(tmp_path / "none"))
    wrong = command("cluster-dns", "show", "--style", "bind")

    assert done.returncode == 1
    assert "no access to the API server" in done.stderr
    assert wrong.returncode == 2
    assert "'bind' is not one of 'auto', 'coredns', 'coredns-custom', 'kube-dns'" in " ".join(
        wrong.stderr.replace("│", " ").split()
    )


def test_help_is_shown_without_loading_what_only_some_commands_need():
    seldom = "{'trio', 'nodeproxy.policies', 'rich', 'pydantic', 'msgspec', 'http.client'}"
    program = f"import sys, nodeproxy.cli.commands; print(*{seldom} & {{*sys.modules}})"

    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)

    assert done.stdout.split() == []
