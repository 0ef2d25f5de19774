"""The command line, as far as it goes without an API server."""

import subprocess
import sys

import pytest
import typer
from typer.testing import CliRunner

from discovery.__main__ import app
from discovery.cluster_dns.command import _listen, _upstream


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("169.254.77.1", "169.254.77.1"),
        ("169.254.77.1:5353", "169.254.77.1:5353"),
        ("[fd00::1]", "fd00::1"),
        ("fd00::1", "fd00::1"),
        ("[fd00::1]:5353", "[fd00::1]:5353"),
    ],
)
def test_an_address_is_written_as_coredns_reads_it(text, address):
    assert _upstream(text).address == address


@pytest.mark.parametrize("text", ["", "here", "169.254.77.1 { }", "169.254.77.1:dns", "169.254.77.1\n}", "[fd00::1"])
def test_what_is_no_address_does_not_come_into_a_corefile(text):
    with pytest.raises(typer.BadParameter, match="expected an address as 169"):
        _upstream(text)


@pytest.mark.parametrize("domain", ["", "cluster.local {", "a b", "a\n}", "a..b", ".", "ä.example"])
def test_what_is_no_domain_does_not_come_into_a_corefile(domain):
    with pytest.raises(typer.BadParameter, match=r"expected a domain as cluster\.local"):
        _upstream("169.254.77.1", domain)


@pytest.mark.parametrize("zones", ["maesh {", "a b", "ä.example", "maesh\n}", "a..b"])
def test_what_is_no_zone_does_not_come_into_a_corefile(zones):
    with pytest.raises(typer.BadParameter, match=r"expected zones as traefik\.mesh,maesh"):
        _upstream("169.254.77.1", also_zones=zones)


def test_without_a_way_to_the_api_server_that_is_said(tmp_path):
    done = CliRunner().invoke(app, ["cluster-dns", "remove", "--kubeconfig", str(tmp_path / "none")])

    assert done.exit_code == 1
    assert "no access to the API server" in done.output


@pytest.mark.parametrize(
    ("text", "where"),
    [
        ("10.244.0.7:9443", ("10.244.0.7", 9443)),
        ("fd00::1:9443", ("fd00::1", 9443)),
        ("[fd00::1]:9443", ("fd00::1", 9443)),
    ],
)
def test_the_webhook_listens_at_the_address_of_a_pod_of_either_family(text, where):
    assert _listen(text, "stamp,audit") == (*where, ("stamp", "audit"))


@pytest.mark.parametrize(
    "text", ["9443", "10.244.0.7", "10.244.0.7:0", "10.244.0.7:99999", "pod:9443", "10.244.0.7:https"]
)
def test_what_is_no_address_for_the_webhook_is_refused_before_the_start(text):
    with pytest.raises(typer.BadParameter, match=r"expected an address and a port as 10\.244"):
        _listen(text)


def test_what_only_the_webhook_needs_is_loaded_by_no_node():
    program = "import discovery.__main__, discovery.sources.cluster.api, sys; print('cryptography' in sys.modules)"

    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)

    assert done.stdout == "False\n"
