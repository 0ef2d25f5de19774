import io

import pytest
from rich.console import Console
from yaml import safe_dump

from discovery.check import check, show
from discovery.kubernetes.objects import Ref
from discovery.services.catalogue import Scope
from nodeproxy.mesh.unserved import NO_ADDRESS
from tests.discovery.kube import endpoint, file_of, own_policy_map, policy_map, service, slice_of


def report_of(tmp_path, *objects, scope=None):
    (tmp_path / "shop.yaml").write_bytes(file_of(*objects))
    return check(tmp_path, scope)


def texts(problems):
    return [str(problem) for problem in problems]


def printed(report):
    text = io.StringIO()
    show(report, Console(file=text, highlight=False))
    return text.getvalue().splitlines()


def test_a_good_folder_has_neither_problems_nor_warnings(tmp_path):
    report = report_of(tmp_path, service(), slice_of("shop/reviews", endpoint("10.0.0.1"), endpoint("10.0.0.2")))

    assert (report.problems, report.warnings) == ((), ())
    assert (report.services, report.endpoints) == (1, 2)


def test_a_service_without_endpoints_deserves_a_look(tmp_path):
    report = report_of(tmp_path, service())

    assert texts(report.warnings) == [
        "shop.yaml: document 1 (Service shop/reviews): port 80 (http) has no endpoint that may be called; whatever "
        "calls it is refused"
    ]


def test_a_slice_without_service_deserves_a_look(tmp_path):
    report = report_of(tmp_path, slice_of("shop/orders"), slice_of("shop/lost", label=""))

    assert [text.rpartition(": ")[2] for text in texts(report.warnings)] == [
        "its label of the service is missing; its endpoints are not used (line 3)",
        "there is no Service shop/orders; its endpoints are not used (line 1)",
    ]


def test_a_port_that_is_not_served_is_a_note_with_what_it_speaks_and_what_to_do(tmp_path):
    report = report_of(tmp_path, service(ports=[{"name": "sigtran", "port": 2905, "protocol": "SCTP"}]))

    assert (report.problems, report.warnings) == ((), ())
    (note,) = texts(report.notes)
    assert note == (
        "shop.yaml: document 1 (Service shop/reviews): spec.ports[0]: port 2905 speaks SCTP, which the mesh does not "
        "serve: call reviews.shop.svc:2905, past the mesh (line 1)"
    )
    assert printed(report)[-1] == "1 service with 0 endpoints in force; 0 errors, 0 warnings, 1 note"


def test_ports_of_tcp_and_udp_are_served_and_those_of_a_service_without_an_address_are_a_note(tmp_path):
    ports = [
        {"name": "https", "port": 443},
        {"name": "dns", "port": 53, "protocol": "UDP"},
        {"name": "ours", "port": 7000, "appProtocol": "ours"},
        {"name": "http", "port": 80},
    ]
    targets = [{**each, "port": 18000 + index} for index, each in enumerate(ports)]
    endpoints = [slice_of(key, endpoint("10.0.0.1"), ports=targets) for key in ("shop/reviews", "shop/twin")]

    report = report_of(tmp_path, service(ports=ports), service("shop/twin", ports=ports), *endpoints)

    assert report.warnings == () and "127.77.0.10 too" in texts(report.problems)[0]
    only = f"which is served at a virtual address only, and {NO_ADDRESS}: call twin.shop.svc"
    assert [text.removeprefix("shop.yaml: document 2 (Service shop/twin): ") for text in texts(report.notes)] == [
        f"spec.ports[0]: port 443 speaks TLS, {only}:443, past the mesh (line 3)",
        f"spec.ports[1]: port 53 speaks UDP, {only}:53, past the mesh (line 3)",
        f"spec.ports[2]: port 7000 speaks TCP that is not HTTP, {only}:7000, past the mesh (line 3)",
    ]


def test_a_table_for_an_unknown_service_deserves_a_look(tmp_path):
    report = report_of(tmp_path, policy_map(orders__shop="retries: {attempts: 4}"))

    assert report.problems == ()
    assert 'data["orders.shop"]: there is no such service' in texts(report.warnings)[0]


def test_an_external_name_is_not_resolved_to_be_checked(tmp_path):
    report = report_of(tmp_path, service(type="ExternalName", externalName="bank.example", clusterIP=""))

    assert (report.problems, report.warnings, report.services) == ((), (), 1)


def test_a_table_that_is_refused_is_a_problem(tmp_path):
    report = report_of(tmp_path, policy_map(_default="retries: {attempts: many}"))

    assert "data._default: retries.attempts: " in texts(report.problems)[0]


def test_a_table_that_is_refused_has_the_line_of_its_key_in_any_policy_map(tmp_path):
    own = own_policy_map(ratings="", reviews="retries: {attempts: many}", ledger__bank="")
    (tmp_path / "shop.yaml").write_text(safe_dump(service(), sort_keys=False))
    (tmp_path / "policies.yaml").write_text(safe_dump(own, sort_keys=False))

    first, second = texts(check(tmp_path).problems)

    assert first.startswith(
        'policies.yaml: document 1 (ConfigMap shop/policies): data["ledger.bank"]: a policy map of namespace shop is'
    )
    assert second.startswith("policies.yaml: document 1 (ConfigMap shop/policies): data.reviews: retries.attempts: ")
    lines = (tmp_path / "policies.yaml").read_text().splitlines()
    for problem, key in ((first, "ledger.bank"), (second, "reviews")):
        number = problem.rpartition("(line ")[2].partition(",")[0].rstrip(")")
        assert lines[int(number) - 1].strip().startswith(f"{key}: ")


def test_two_maps_with_one_key_in_a_folder_are_a_problem_that_names_both(tmp_path):
    report = report_of(tmp_path, service(), own_policy_map("shop/a", reviews=""), own_policy_map("shop/b", reviews=""))

    assert texts(report.problems) == [
        "shop.yaml: document 3 (ConfigMap shop/b): data.reviews: is also in ConfigMap shop/a, which sorts first "
        "and counts; remove one (line 5)"
    ]


def test_the_config_map_has_the_name_it_is_given(tmp_path):
    scope = Scope(policy_map=Ref("ConfigMap", "mesh", "rules"))

    report = report_of(tmp_path, policy_map(_default="retries: {attempts: many}"), scope=scope)

    assert report.problems == ()


def test_a_folder_that_is_not_there_is_a_problem(tmp_path):
    assert "cannot be read" in texts(check(tmp_path / "nowhere").problems)[0]


def test_a_report_is_a_line_per_problem_and_a_summary(tmp_path):
    bad = service("shop/ratings", ports=[{"port": "eighty", "name": "[red]"}])

    lines = printed(report_of(tmp_path, service(), slice_of(), bad, service("shop/orders", clusterIP="None")))

    assert lines == [
        "error  shop.yaml: document 3 (Service shop/ratings): spec.ports[0].port: expected int, got 'eighty' (line 5)",
        "warning  shop.yaml: document 4 (Service shop/orders): port 80 (http) has no endpoint that may be called; "
        "whatever calls it is refused",
        "2 services with 1 endpoint in force; 1 error, 1 warning",
    ]


@pytest.mark.parametrize("style", ["|", "|-", "|2", ""])
def test_a_problem_inside_a_table_has_the_line_of_the_file(tmp_path, style):
    lines = (*MAP, *(["  reviews.shop: " + style, "    retries:", "      attempts: many"] if style else [FLOW]))
    (tmp_path / "policies.yaml").write_text("\n".join(lines))

    (problem,) = [each for each in check(tmp_path).problems if "attempts" in each.message]

    assert "attempts: many" in lines[problem.line - 1]
    assert problem.text_line == (2 if style else 1)


MAP = (
    "# of the mesh",
    "apiVersion: v1",
    "kind: ConfigMap",
    "metadata: {name: nodeproxy-policy, namespace: nodeproxy}",
    "data:",
)
FLOW = '  reviews.shop: "retries: {attempts: many}"'
