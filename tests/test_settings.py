"""Every setting that cannot work is refused with its cure, before anything is started."""

import pytest
from pydantic import ValidationError

from nodeproxy.setting_text import split_sources
from nodeproxy.settings import Settings


def refusal(**changes):
    with pytest.raises(ValidationError) as caught:
        Settings(**changes)
    return str(caught.value)


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("listen", "localhost:8077", "write an address as 127.0.0.1:8077 or [::1]:8077; a name may resolve to several"),
        ("listen", "127.0.0.1", "write an address as"),
        ("listen", ":8077", "write an address as"),
        ("listen", "", "write an address as"),
        ("listen", "127.0.0.1:65536", "a port of at most 65535"),
        ("listen", "127.0.0.1:" + "9" * 5000, "a port of at most 65535"),
        ("listen", "127.0.0.1:-1", "a port of at most 65535"),
        ("listen", "127.0.0.1:\u0661", "a port of at most 65535"),
        ("listen", "127.0.0.1:0", "port 0 is any free port"),
        ("listen_tls", "127.0.0.1:0", "port 0 is any free port"),
        ("listen", "[127.0.0.1:80", "write an address as"),
        ("listen", "[fe80::1%lo]:80", "without a zone"),
        ("listen", "[::ffff:0.0.0.0]:80", "not IPv4-mapped"),
        ("listen", "0.0.0.0:80", "wildcard"),
        ("listen", "[0:0::0]:80", "wildcard"),
        ("admin", "*:80", "wildcard"),
        ("admin", "here:9077", "write an address as"),
        ("page", "10.0.0.7:9070", "listens at loopback alone"),
        ("page", "127.0.0.1:0", "clients need a fixed one"),
        ("page_hosts", "mesh.example.com:443", "without a port"),
        ("dns", "127.0.0.1", "write an address as"),
        ("dns", "127.0.0.1:0", "port 0 is any free port"),
        ("resolver", "10.96.0.10", "write an address as 10.96.0.10:53"),
        ("resolver", "dns.example:53", "write an address as 10.96.0.10:53"),
        ("resolver", "10.96.0.10:0", "not the address of a server"),
        ("resolver", "0.0.0.0:53", "not the address of a server"),
        ("mesh_range", "10.0.0.0", "too small"),
        ("mesh_range", "240.77.0.1/16", "write the range as 240.77.0.0/16"),
        ("mesh_range", "many", "write a range as 10.0.0.0/8"),
        ("headless_range", "10.0.0.0/33", "write a range as 10.0.0.0/8"),
        ("headless_range", "224.0.0.0/16", "sockets cannot listen"),
        ("headless_range", "0.0.0.0/16", "sockets cannot listen"),
        ("discovery", "files:", "write files:DIR, kube: or kube:KUBECONFIG"),
        ("discovery", "consul:x", "write files:DIR, kube: or kube:KUBECONFIG"),
        ("discovery", "files:\0", "a path cannot contain a NUL byte"),
        ("troubleshooting_url", "docs.example", "the URL of a page without a fragment"),
        ("troubleshooting_url", "https://docs.example/#reasons", "the URL of a page without a fragment"),
        ("troubleshooting_url", "https://docs.example/>; rel=x", "the URL of a page without a fragment"),
        ("troubleshooting_url", "https://docs.example/\r\nX: y", "the URL of a page without a fragment"),
        ("run_dir", "\0", "a path cannot contain a NUL byte"),
        ("state_file", "a\0b", "a path cannot contain a NUL byte"),
        ("default_namespace", "Shop", "the name of a namespace"),
        ("default_namespace", "shop\n", "the name of a namespace"),
        ("node_name", "node,metadata.name=x", "the name of a node"),
        ("zone", "eu west", "a zone is a label value"),
        ("workers", -1, "greater than or equal to 1"),
        ("downstream_connections_limit", -1, "greater than or equal to 1"),
        ("drain_timeout_s", -1, "greater than 0"),
        ("drain_timeout_s", float("nan"), "finite number"),
        ("head_timeout_s", float("inf"), "finite number"),
        ("downstream_idle_timeout_s", 0, "greater than 0"),
        ("trace_sample_ratio", float("nan"), "less than or equal to 1"),
        ("trace_sample_ratio", -0.1, "greater than or equal to 0"),
        ("head_limit_bytes", -1, "greater than or equal to 1024"),
        ("head_limit_fields", -1, "greater than or equal to 10"),
        ("line_limit_bytes", -1, "greater than or equal to 256"),
        ("http2_streams_limit", 0, "greater than or equal to 1"),
        ("http2_window_bytes", 65535, "greater than or equal to 65536"),
        ("http2_quick_resets_limit", 0, "greater than or equal to 10"),
    ],
)
def test_a_value_that_cannot_work_is_refused_with_its_cure(name, value, words):
    assert words in refusal(**{name: value})


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"admin": "127.0.0.1:8077"}, "admin and listen are both at 127.0.0.1:8077"),
        ({"admin": "127.0.0.1:8076", "workers": 2}, "admin and listen are both at 127.0.0.1:8077"),
        ({"listen_tls": "127.0.0.1:8077"}, "listen_tls and listen are both at 127.0.0.1:8077"),
        ({"listen_tls": "127.77.0.5:443"}, "listen_tls 127.77.0.5:443 is in mesh_range"),
        ({"dns": "127.0.0.1:8077"}, "dns and listen are both at 127.0.0.1:8077"),
        ({"dns": "127.0.0.1:9077"}, "admin and dns are both at 127.0.0.1:9077"),
        ({"page": "127.0.0.1:9076"}, "page and metrics are both at 127.0.0.1:9076"),
        ({"admin": "127.0.0.1:9075", "workers": 2}, "admin and metrics are both at 127.0.0.1:9076"),
        ({"listen": "[::1]:9077", "admin": "[0:0::1]:9077"}, "admin and listen are both at"),
        ({"admin": "127.0.0.1:65535", "workers": 2}, "there is no port 65536"),
        ({"mesh_range": "127.78.0.0/15"}, "overlaps headless_range"),
        ({"mesh_range": "127.0.0.0/18"}, "listen 127.0.0.1:8077 is in mesh_range 127.0.0.0/18"),
        ({"dns": "127.78.0.5:53"}, "dns 127.78.0.5:53 is in headless_range"),
        ({"dns": "127.0.0.1:5353", "resolver": "127.0.0.1:5353"}, "query itself"),
    ],
)
def test_values_that_do_not_fit_together_are_refused(changes, words):
    assert words in refusal(**changes)


@pytest.mark.parametrize("value", [True, False, "true", "False", "1", "no", ["true"]])
def test_trust_in_all_clients_or_none_is_refused_and_the_cure_said(value):
    assert "trust is per source: list the trusted addresses and namespaces" in refusal(trust_forwarded=value)


@pytest.mark.parametrize(
    ("value", "words"),
    [
        ("10.0.0.1/8", "write the range as 10.0.0.0/8"),
        ("ingress-nginx", "or a namespace as namespace:ingress-nginx"),
        ("namespace:", "not a valid namespace name"),
        ("namespace:Ingress", "not a valid namespace name"),
        ("10.0.0.0/8;fd00::/8", "write a range as"),
        ([10], "valid string"),
        (7, "valid tuple"),
        ({"a": 1}, "valid tuple"),
    ],
)
def test_a_source_that_is_none_is_refused(value, words):
    assert words in refusal(trust_forwarded=value)


def test_sources_are_addresses_ranges_and_namespaces(monkeypatch):
    expected = ("10.0.0.0/8", "192.0.2.1/32", "fd00::/8", "namespace:ingress-nginx")
    monkeypatch.setenv("NODEPROXY_TRUST_FORWARDED", "10.0.0.0/8, 192.0.2.1,fd00::/8 namespace:ingress-nginx")
    from_environment = Settings().trust_forwarded
    from_file = Settings(trust_forwarded=["10.0.0.0/8", "192.0.2.1", "fd00::/8", "namespace:ingress-nginx"])
    ranges, namespaces = split_sources(from_environment)

    assert from_environment == from_file.trust_forwarded == expected
    assert [str(each) for each in ranges] == ["10.0.0.0/8", "192.0.2.1/32", "fd00::/8"]
    assert namespaces == {"ingress-nginx"}


@pytest.mark.parametrize("value", ["", [], None])
def test_no_source_is_trusted_where_none_is_named(value):
    assert Settings().trust_forwarded == Settings(trust_forwarded=value).trust_forwarded == ()


@pytest.mark.parametrize(
    "changes",
    [
        {"listen_tls": ""},
        {
            "listen": "169.254.77.1:80",
            "listen_tls": "169.254.77.1:443",
            "dns": "169.254.77.1:53",
            "admin": "10.0.0.7:9077",
        },
        {"admin": "fd00::7:9077"},  # as the DaemonSet makes it of an IPv6 node's address
        {"listen": "[::1]:8077", "mesh_range": "fd77::/112", "headless_range": "fd78::/112"},
        {"admin": "127.0.0.1:0", "workers": 4},
        {"discovery": "kube:", "node_name": "ip-10-0-0-1.ec2.internal", "zone": "eu-west-1a", "default_namespace": ""},
        {"resolver": "[fd00::a]:53"},
    ],
)
def test_what_works_is_taken(changes):
    assert Settings(**changes)


def test_further_zones_are_a_list_with_commas_in_the_environment(monkeypatch):
    monkeypatch.setenv("NODEPROXY_ALSO_ZONES", "Traefik.Mesh, maesh.")

    assert (
        Settings().also_zones == Settings(also_zones=["traefik.mesh", "maesh"]).also_zones == ("traefik.mesh", "maesh")
    )


@pytest.mark.parametrize("value", ["", [], None])
def test_there_is_no_further_zone_where_none_is_named(value):
    assert Settings(also_zones=value).also_zones == ()


@pytest.mark.parametrize(
    ("zones", "words"),
    [
        ("mae sh..", "write zones as traefik.mesh,maesh"),
        ("mesh", "the zone mesh always answers; leave it out"),
        ("svc", "is a name of the cluster itself"),
        ("in-addr.arpa", "reverse look-ups"),
        ("cluster.local", "overlaps cluster_domain cluster.local"),
        ("local", "overlaps cluster_domain cluster.local"),
        ("svc.cluster.local", "overlaps cluster_domain cluster.local"),
        ("maesh,maesh", "maesh is there twice"),
        (",".join(f"z{number}" for number in range(9)), "at most 8, got 9"),
    ],
)
def test_a_further_zone_that_cannot_be_is_refused_with_the_reason(zones, words):
    assert words in refusal(also_zones=zones)


@pytest.mark.parametrize("written", ["tenantHeader,audit", "tenantHeader, audit", ["tenantHeader", "audit"]])
def test_policies_of_ones_own_are_a_list_in_its_order(written):
    assert Settings(own_policies=written).own_policies == ("tenantHeader", "audit")


@pytest.mark.parametrize("name", ["a-b", "Tenant", "../x", "a" * 64])
def test_a_name_that_no_policy_can_have_is_refused(name):
    assert "write the name of a policy as in a policy table" in refusal(own_policies=name)


def test_policies_of_ones_own_are_bounded():
    assert "at most 64 items" in refusal(own_policies=[f"p{number}" for number in range(65)])
