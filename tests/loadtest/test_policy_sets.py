"""The policy sets of the benchmark: what of them this version has, and what the report makes of their runs."""

import pytest
import yaml

from discovery.services.catalogue import POLICY_MAP, Catalogue, Scope
from discovery.sources.folder.folder import Folder
from loadtest.peer import rendered, write_configuration
from loadtest.policies import routing
from loadtest.policies.hosts import host_of, service_of
from loadtest.policies.mesh import documents
from loadtest.policies.record import PolicyRecord
from loadtest.policies.report import faults, markdown, ratio_table
from loadtest.policies.run import peers
from loadtest.policies.sets import EIGHT, PLAIN, PolicySet, policy_sets
from loadtest.procstat import Cpu
from loadtest.record import Missing
from loadtest.record_file import load, save
from nodeproxy.policies.chain import CHAIN
from nodeproxy.policies.table import settings_of
from tests.loadtest.bench_records import record, saturated

VALUES = {
    **{"dir": "/tmp/d", "program": "/bin/p", "user_line": ""},
    **{"port": "1", "admin_port": "2", "backend_port": "3", "http2_port": "4"},
    **{"http2_backend_port": "5", "grpc_backend_port": "6"},
}
FILE = """
plain: {policies: {}}
eight: {policies: {rateLimit: {requestsPerSecond: 9}, noSuch: {}}}
retries: {against: none, title: some tries, policies: {retries: {attempts: 9}}}
noSuch: {policies: {noSuch: {}, retries: {}}}
rateLimit: {policies: {rateLimit: {requestsPerSecond: many}}}
"""


def test_a_policy_that_is_missing_or_refused_is_reported_and_left_out():
    sets, missing = policy_sets(FILE)

    by_name = {each.name: each for each in sets}
    assert by_name["retries"] == PolicySet("retries", "some tries", {"retries": {"attempts": 9}}, "none")
    assert by_name[EIGHT].policies == {"rateLimit": {"requestsPerSecond": 9}}
    assert by_name[PLAIN].policies == {}
    assert {"noSuch", "rateLimit"}.isdisjoint(by_name)
    assert [each.peer for each in missing] == [EIGHT, "noSuch", "rateLimit"]
    assert missing[0].reason.startswith("noSuch: no such policy") and "rateLimit" in missing[2].reason


def test_every_policy_of_the_registry_is_measured():
    sets, missing = policy_sets()

    assert {policy.name for policy in CHAIN} <= {each.name for each in sets} | {each.peer for each in missing}
    assert {each.against for each in sets} <= {each.name for each in sets}
    assert all(settings_of(each.policies) for each in sets)


def test_a_policy_without_a_set_is_measured_with_its_example_in_force():
    sets, _ = policy_sets("plain: {policies: {}}")

    limited = next(each for each in sets if each.name == "rateLimit")
    assert limited.policies["rateLimit"]["mode"] == "enforce"
    assert limited.against == PLAIN


def test_each_set_is_a_service_with_its_table_and_the_same_endpoint(tmp_path):
    sets, _ = policy_sets()
    (tmp_path / "sets.yaml").write_text(rendered(documents(sets), VALUES))

    catalogue = Catalogue(Scope())
    catalogue.apply(Folder(tmp_path, POLICY_MAP).read())

    assert list(catalogue.problems()) == []
    for each in sets:
        service = catalogue.services[f"bench/{service_of(each.name)}"]
        assert service.policies == each.policies
        assert [endpoint.port for endpoint in service.ports[0].endpoints] == [3]
        assert host_of(each.name) == f"{service.name}.bench.mesh"
    assert len({service.virtual_address for service in catalogue.services.values()}) == len(sets)


@pytest.mark.parametrize("peer", peers(), ids=lambda peer: peer.name)
def test_the_files_of_each_peer_can_be_rendered(peer, tmp_path):
    write_configuration(peer.name, tmp_path / "it", VALUES)

    for path in (tmp_path / "it").iterdir():
        assert "@" not in path.read_text().replace('"@type"', "")
        assert list(yaml.safe_load_all(path.read_text()))


def measured(**errors):
    """A record in which a request costs 30 us, or 36 us with eight policies, 60 us in Envoy and 120 us in Traefik."""
    costs = {
        "nodeproxy plain": 30,
        "nodeproxy eight": 36,
        "nodeproxy limited": 33,
        "envoy": 50,
        "envoy-policies": 60,
        "traefik-policies": 120,
    }
    runs = tuple(
        saturated(peer, requests=1000, cpu=Cpu(0.0, cost / 1000), errors={"status": errors.get(peer.split()[-1], 0)})
        for peer, cost in costs.items()
    )
    sets = (
        PolicySet(PLAIN, "no table", {}),
        PolicySet(EIGHT, "eight", {"a": 1, "b": 2}),
        PolicySet("limited", "limited", {"c": 1}),
    )
    return PolicyRecord(record(saturated=runs), sets, (Missing("eight", "noSuch: no such policy"),))


def test_the_ratios_stand_beside_their_goals():
    lines = ratio_table(measured()).splitlines()

    assert "| nodeproxy with 2 policies | 36.0 | 1.00 | - |" in lines
    assert "| envoy with equivalents | 60.0 | 0.60 | 0.60 |" in lines
    assert "| traefik with equivalents | 120.0 | 0.30 | 0.60 |" in lines
    assert "| nodeproxy without a table | 30.0 | 1.20 | 1.25 |" in lines
    assert "| traefik without | - | - |  |" in lines


def test_the_cost_of_each_policy_is_what_it_adds():
    text = markdown(measured(limited=10))

    assert "| limited | 33.0 | 33.0-33.0 | plain | +3.0 | 1.10 | 1.0% |" in text
    assert "**Not measured:**\n\n- eight: noSuch: no such policy\n" in text
    assert "- limited: `{c: 1}`" in text


def test_a_refused_request_spoils_the_ratios_and_not_the_row_of_another_policy():
    assert faults(measured(limited=10)) == ()
    assert faults(measured(eight=1)) == ("nodeproxy eight, twelve-fields, round 1: 1000 requests, but 1 x status",)
    assert faults(measured(**{"envoy-policies": 1}))


def test_a_record_is_read_as_it_was_saved(tmp_path):
    save(measured(), tmp_path / "policies.json")

    assert load(tmp_path / "policies.json", PolicyRecord) == measured()


def test_the_routes_of_a_set_are_the_same_for_every_peer():
    envoy = yaml.safe_load(routing.files("envoy-routes")["routes.yaml"])["resources"][0]
    traefik = yaml.safe_load(routing.files("traefik-routes")["routes.yaml"])["http"]["routers"]

    for name, number in routing.RULES.items():
        asked = [rule["match"]["path"]["prefix"] for rule in routing.rules(number)["routes"]["rules"]]
        (host,) = (each for each in envoy["virtual_hosts"] if each["domains"] == [host_of(name)])
        prefixes = [route["match"].get("path_separated_prefix") for route in host["routes"]]
        rules = [each["rule"] for key, each in traefik.items() if key.startswith(f"{name}-")]

        assert len(asked) == number and asked[-1] == "/small"
        assert prefixes == [*asked, None]  # what matches none goes to the service itself
        assert rules == [f"Host(`{host_of(name)}`) && PathPrefix(`{prefix}`)" for prefix in asked]


def test_what_rules_add_stands_beside_what_they_add_to_the_peers():
    costs = {"nodeproxy plain": 30, "nodeproxy routes20": 32, "envoy": 50, "envoy-routes routes20": 51}
    runs = tuple(saturated(peer, requests=1000, cpu=Cpu(0.0, cost / 1000)) for peer, cost in costs.items())
    sets = (PolicySet(PLAIN, "no table", {}), PolicySet("routes20", "20 rules", routing.rules(20)))

    text = markdown(PolicyRecord(record(saturated=runs), sets, ()))

    assert "| 20 | +2.0 | +1.0 | - |" in text
