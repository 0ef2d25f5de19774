"""The commands: what they say, above all when something is wrong."""

import re

import pytest
from pydantic import ValidationError

from nodeproxy.settings import Settings
from tests.fakes.node import command, service


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        (["--listen", "0.0.0.0:80"], "wildcard"),
        (["--listen", "here"], "write an address as"),
        (["--workers", "0"], "workers"),
        (["--config", "/nowhere.yaml"], "no such file"),
    ],
)
def test_a_setting_that_cannot_be_is_named(flags, words):
    done = command("run", *flags)

    assert done.returncode == 2
    assert words in done.stderr


@pytest.mark.parametrize(
    ("domain", "words"),
    [("cluster local", "write a domain as cluster.local"), ("corp.mesh", "the mesh's own"), ("mesh", "the mesh's own")],
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
    for words in ([], ["run"], ["check"], ["demo"], ["settings"], ["cluster-dns"]):
        done = command(*words, "--help")
        assert done.returncode == 0 and "Usage: nodeproxy" in done.stdout


def test_a_way_to_the_api_server_and_a_known_style_are_needed_for_the_clusters_dns(tmp_path):
    done = command("cluster-dns", "keep", "--style", "kube-dns", "--kubeconfig", str(tmp_path / "none"))
    wrong = command("cluster-dns", "show", "--style", "bind")

    assert done.returncode == 1
    assert "no way to the API server" in done.stderr
    assert wrong.returncode == 2
    assert "'bind' is not one of 'auto', 'coredns', 'coredns-custom', 'kube-dns'" in " ".join(
        wrong.stderr.replace("│", " ").split()
    )
