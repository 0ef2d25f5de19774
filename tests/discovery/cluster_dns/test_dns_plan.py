"""The planned text of each ConfigMap."""

import json

import pytest
from hypothesis import given
from hypothesis.strategies import dictionaries, just, lists, none, one_of, text

from discovery.cluster_dns import custom, kube_dns
from discovery.cluster_dns.coredns import NotWritten, with_mesh
from discovery.cluster_dns.corefile import parse
from discovery.cluster_dns.plan import STYLES, names_read, not_to_have, to_have
from discovery.cluster_dns.texts import Upstream
from tests.discovery.cluster_dns.corefiles import AKS, ALL, K3S, KUBEADM

NODE = Upstream("169.254.77.1")


def maps(corefile=None, custom=None, kube_dns=None):
    return {
        "coredns": None if corefile is None else {"Corefile": corefile, "NodeHosts": "10.0.0.1 n1"},
        "coredns-custom": custom,
        "kube-dns": kube_dns,
    }


def done(before, plan):
    """The ConfigMaps after a plan."""
    after = {name: None if data is None else dict(data) for name, data in before.items()}
    for change in plan.changes:
        assert change.create == (after[change.name] is None)
        merged = {**(after[change.name] or {}), **change.data}
        after[change.name] = {key: text for key, text in merged.items() if text is not None}
    return after


CLUSTERS = {
    "coredns": maps(KUBEADM),
    "coredns-custom of AKS": maps(AKS, {"other.server": "example.org:53 {\n}\n"}),
    "coredns-custom of k3s": maps(K3S, {}),
    "coredns-custom, Corefile unknown": maps(None, {"a": "b"}),
    "coredns, although there is a coredns-custom": maps(KUBEADM, {"a.server": ""}),
    "kube-dns": maps(kube_dns={}),
    "kube-dns with entries": maps(kube_dns={"stubDomains": '{"a": ["10.0.0.1"]}', "upstreamNameservers": "[]"}),
}


@pytest.mark.parametrize(("name", "before"), CLUSTERS.items(), ids=CLUSTERS)
def test_the_style_is_found_and_what_is_written_comes_and_goes(name, before):
    plan = to_have(before, "auto", NODE)
    after = done(before, plan)

    assert plan.style == name.split()[0].rstrip(",")
    assert [change.name for change in plan.changes] == [plan.style]
    assert plan.problems == ()
    assert to_have(after, "auto", NODE).changes == ()
    assert done(after, not_to_have(after, NODE)) == before
    assert not_to_have(before, NODE).changes == ()


def test_the_imported_keys_are_what_coredns_reads():
    after = done(before := maps(K3S.replace("cluster.local", "corp.example"), {}), to_have(before, "auto", NODE))

    server, override = (after["coredns-custom"][key] for key in ("nodeproxy.server", "nodeproxy.override"))
    [block] = parse(server)
    assert [key.zone for key in block.keys] == ["mesh"]
    assert "template IN ANY svc.corp.example {" in override


def test_where_no_corefile_has_the_clusters_domain_it_is_the_setting():
    before = maps(None, {})

    after = done(before, to_have(before, "auto", Upstream("169.254.77.1", "corp.example")))

    assert "template IN ANY svc.corp.example {" in after["coredns-custom"]["nodeproxy.override"]


def test_a_configmap_that_is_asked_for_is_made():
    [change] = to_have(maps(K3S), "coredns-custom", NODE).changes

    assert change.create and change.name == "coredns-custom"


@pytest.mark.parametrize(
    ("before", "style"),
    [
        (maps(with_mesh(K3S, NODE), {}), "coredns-custom"),
        (maps(KUBEADM, custom.keys(NODE, KUBEADM)), "coredns"),
    ],
)
def test_a_block_that_stands_elsewhere_is_taken_away_first(before, style):
    first = to_have(before, "auto", NODE)
    second = to_have(done(before, first), "auto", NODE)

    assert style == first.style == second.style
    assert [change.name for change in first.changes] != [style]
    assert [change.name for change in second.changes] == [style]


@pytest.mark.parametrize(
    ("before", "style", "words"),
    [
        (maps(), "auto", "there is none of the ConfigMaps coredns, coredns-custom, kube-dns"),
        (maps(), "coredns", "ConfigMap kube-system/coredns: there is no such ConfigMap"),
        (maps(), "kube-dns", "ConfigMap kube-system/kube-dns: there is no such ConfigMap"),
        ({**maps(), "coredns": {}}, "auto", "ConfigMap kube-system/coredns: there is no Corefile in it"),
        (maps(". {"), "auto", "ConfigMap kube-system/coredns: data.Corefile: left as it is: a brace that is not"),
        (maps("mesh {\n}\n"), "auto", "left as it is: it has a server block for mesh that is not nodeproxy's"),
        (maps(K3S, {"a.server": "mesh {\n}\n"}), "auto", "a.server: it has a server block for mesh"),
        (maps(K3S + "mesh {\n}\n", {}), "auto", "ConfigMap kube-system/coredns-custom: left as it is"),
        (maps(kube_dns={"stubDomains": "[]"}), "auto", "not a JSON object"),
        (maps(kube_dns={"stubDomains": '{"mesh": ["10.0.0.9"]}'}), "auto", "its entry for mesh is ['10.0.0.9']"),
    ],
)
def test_what_cannot_be_done_is_said_and_nothing_written(before, style, words):
    plan = to_have(before, style, NODE)

    assert plan.changes == ()
    assert [words in str(problem) for problem in plan.problems] == [True]


def test_a_key_that_no_corefile_imports_is_written_and_reported():
    plan = to_have(maps(KUBEADM, {}), "coredns-custom", NODE)

    assert [change.name for change in plan.changes] == ["coredns-custom"]
    assert "nothing in it imports" in str(plan.problems[0])


def test_only_what_a_style_needs_is_read():
    assert names_read("auto") == STYLES
    assert names_read("kube-dns") == ("kube-dns",)
    assert names_read("coredns-custom") == ("coredns", "coredns-custom")


def test_a_damaged_text_does_not_keep_the_others_from_being_cleaned():
    before = maps("# nodeproxy begin\n", custom.keys(NODE, ""))

    plan = not_to_have(before, NODE)

    assert [change.name for change in plan.changes] == ["coredns-custom"]
    assert "take the lines of nodeproxy out by hand (line 1)" in str(plan.problems[0])


@given(dictionaries(text(), lists(text())), just(0) | just(2))
def test_other_stub_domains_stay_as_they_are_written(entries, indent):
    before = json.dumps(entries, indent=indent)
    try:
        after = kube_dns.with_mesh(before, NODE)
    except NotWritten:
        return

    assert json.loads(after) == {"mesh": ["169.254.77.1"], **entries}
    assert kube_dns.with_mesh(after, NODE) == after
    assert kube_dns.without_mesh(after, NODE) == (before if entries else "")
    assert json.loads(kube_dns.without_mesh(json.dumps(json.loads(after), indent=1), NODE) or "{}") == entries


@given(one_of(none(), text()), one_of(none(), dictionaries(text(), text())))
def test_whatever_the_cluster_has_a_plan_comes_to_its_end_and_goes_back_from_there(corefile, custom):
    before = maps(corefile, custom)
    after, plan = before, to_have(before, "auto", NODE)

    while plan.changes:
        after = done(after, plan)
        plan = to_have(after, "auto", NODE)

    assert done(after, not_to_have(after, NODE)) == done(before, not_to_have(before, NODE))


def test_the_corefiles_of_this_test_are_those_of_clusters():
    assert all(parse(corefile) for corefile in ALL.values())


ZONES = Upstream("169.254.77.1", also_zones=("traefik.mesh", "maesh", "old.maesh"))
TRAEFIK = "maesh:53 {\n    errors\n    forward . /etc/resolv.conf\n}\n"


@pytest.mark.parametrize("name", [name for name in CLUSTERS if "although" not in name])
def test_further_zones_are_forwarded_beside_the_own_one_and_removed_with_it(name):
    before = CLUSTERS[name]
    after = done(before, to_have(before, "auto", ZONES))
    text = json.dumps(after)

    assert ("maesh:53 {" in text) or ('\\"maesh\\": [\\"169.254.77.1\\"]' in text)
    assert "traefik.mesh:53" not in text and "old.maesh" not in text  # inside mesh and maesh, which are forwarded
    assert to_have(after, "auto", ZONES).changes == ()
    assert done(after, not_to_have(after, NODE)) == before


@pytest.mark.parametrize("name", CLUSTERS)
def test_a_zone_that_left_the_setting_is_no_longer_forwarded(name):
    only_own = done(CLUSTERS[name], to_have(CLUSTERS[name], "auto", NODE))
    with_zones = done(CLUSTERS[name], to_have(CLUSTERS[name], "auto", ZONES))

    assert done(with_zones, to_have(with_zones, "auto", NODE)) == only_own


@pytest.mark.parametrize(
    ("before", "place"),
    [
        (maps(TRAEFIK + KUBEADM), "ConfigMap kube-system/coredns: data.Corefile"),
        (maps(K3S, {"maesh.server": TRAEFIK}), 'ConfigMap kube-system/coredns-custom: data["maesh.server"]'),
        (maps(kube_dns={"stubDomains": '{"maesh": ["10.0.0.9"]}'}), "ConfigMap kube-system/kube-dns: data.stubDomains"),
    ],
    ids=["coredns", "coredns-custom", "kube-dns"],
)
def test_a_zone_that_traefik_mesh_still_serves_stays_its_and_that_is_said(before, place):
    plan = to_have(before, "auto", Upstream("169.254.77.1", also_zones=("maesh",)))
    after = done(before, plan)

    warnings = [str(problem) for problem in plan.problems if problem.severity == "warning"]
    assert any(text.startswith(place) and "uninstall Traefik Mesh" in text for text in warnings)
    assert json.dumps(after).count("maesh:53 {") == json.dumps(before).count("maesh:53 {")
    assert done(after, not_to_have(after, NODE)) == before
