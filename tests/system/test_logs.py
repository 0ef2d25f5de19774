"""The access log of single services, and the audit log of refusals, on a real node."""

import json

from tests.fakes.node import Node, policy, server, service, until


def lines_of(node, word):
    return [json.loads(line) for line in node.log.read_text().splitlines() if word in line and line.startswith("{")]


def test_a_service_has_an_access_log_of_its_own_and_others_have_none(folder):
    written = {
        "web__shop": 'accessLog: {filter: {status: ">=400", slowerThan: 1m}}',
        "all__shop": "{accessLog: {format: json}, routes: [{name: all-of-it, match: [{path: {prefix: /}}]}]}",
        "db__shop": "accessLog: {}",
    }
    with server("one") as port:
        for index, name in enumerate(("web", "all", "quiet")):
            (folder / f"{name}.yaml").write_text(service(name, port, cluster_ip=f"10.96.0.{index + 10}"))
        database = service("db", port, cluster_ip="10.96.0.20", port=5432).replace('"http"', '"sql"')
        (folder / "db.yaml").write_text(database)
        (folder / "policy.yaml").write_text(policy(**written))
        with Node(folder) as node:
            for name in ("web", "quiet", "all"):
                assert node.get(f"{name}.shop.mesh", headers={"traceparent": f"00-{'a' * 32}-{'b' * 16}-01"})[0] == 200
            node.get("whoever", address=("127.77.0.20", 5432))
            until(lambda: len(lines_of(node, '"seconds"')) == 2, "the lines")
            http, tcp = sorted(lines_of(node, '"seconds"'), key=lambda line: "protocol" in line)

    assert (http["service"], http["rule"], http["version"], http["bytes"]) == ("shop/all:80", "all-of-it", "1.1", 3)
    assert http["trace_id"] == "a" * 32
    assert (tcp["service"], tcp["protocol"], tcp["reason"]) == ("shop/db:5432", "tcp", "")


def test_refusals_by_policies_are_in_the_audit_log_also_where_there_is_no_access_log(folder):
    with server("one") as port:
        (folder / "web.yaml").write_text(service("web", port))
        (folder / "policy.yaml").write_text(policy(web__shop="rateLimit: {requestsPerSecond: 0.001, burst: 1}"))
        with Node(folder, audit_log="json") as node:
            statuses = [node.get("web.shop.mesh")[0], node.get("web.shop.mesh")[0], node.get("nobody.shop.mesh")[0]]
            until(lambda: lines_of(node, '"denied"'), "the line")
            lines = lines_of(node, '"seconds"')

    assert statuses == [200, 429, 404]
    ((event, denied_by, source),) = [(line["event"], line["policy"], line["source"]) for line in lines]
    assert (event, denied_by, source) == ("denied", "rateLimit", "/node")
