"""Services whose ports, names or protocols are unusual, on a whole node with real servers behind it."""

import json
import socket
import socketserver
from contextlib import contextmanager
from pathlib import Path
from threading import Thread

import dns.message
import dns.query
import dns.rcode
import pytest

from tests.discovery.kube import endpoint, endpoints_of, own_policy_map, service, slice_of
from tests.fakes.node import LIMIT_S, Node, command, free_port, server, until


def write(folder: Path, *objects):
    (folder / "shop.yaml").write_text("\n---\n".join(map(json.dumps, objects)))


def both(key, port, cluster_ip="10.96.0.9", **fields):
    """A service of one port and its slice."""
    service_ports, ports = [{"name": "p", "port": 80, **fields}], [{"name": "p", "port": port}]
    return service(key, ports=service_ports, clusterIP=cluster_ip), slice_of(key, endpoint("127.0.0.1"), ports=ports)


def look_up(port, name, kind="A"):
    answer = dns.query.udp(dns.message.make_query(name, kind), "127.0.0.1", LIMIT_S, port)
    return dns.rcode.to_text(answer.rcode()), [str(record) for rrset in answer.answer for record in rrset]


@pytest.mark.parametrize("step", [1, -1])
def test_http_on_a_number_that_udp_has_too_is_served_in_either_order(folder, step):
    ports = [{"name": "http", "port": 80, "protocol": "TCP"}, {"name": "http3", "port": 80, "protocol": "UDP"}]
    dns_port = free_port()
    with server("one") as port:
        targets = [{**each, "port": port} for each in ports]
        write(
            folder,
            service("shop/quic", ports=ports[::step], clusterIP="10.96.0.11"),
            slice_of("shop/quic", endpoint("127.0.0.1"), ports=targets[::step]),
        )
        with Node(folder, "--dns", f"127.0.0.1:{dns_port}") as node:
            answers = node.get("quic.shop.mesh"), node.get("any", address=("127.77.0.11", 80))
            records = look_up(dns_port, "_http._tcp.quic.shop.mesh.", "SRV")
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
                client.sendto(b"a service has series once it was called", ("127.77.0.11", 80))
            until(lambda: node.metrics().count("nodeproxy_endpoints{") == 2, "the report")
            metrics = node.metrics().splitlines()

    assert answers == ((200, "one"), (200, "one"))
    assert records == ("NOERROR", ["0 100 80 quic.shop.mesh."])
    series = [line.rpartition(" ")[0] for line in metrics if line.startswith("nodeproxy_endpoints{")]
    assert len(series) == len(set(series)) == 2


def test_a_service_whose_name_begins_with_a_digit_is_served_and_has_a_policy(folder):
    own = own_policy_map("shop/own")
    own["data"] = {"1web": "timeouts: {request: 5s}"}
    with server("one") as port:
        write(folder, *both("shop/1web", port), *both("0/10", port, cluster_ip="10.96.0.12"), own)
        checked = command("check", str(folder))
        with Node(folder) as node:
            answers = node.get("1web.shop.mesh"), node.get("10.0.mesh"), node.get("1web.shop.svc")

    assert answers == ((200, "one"),) * 3
    assert (checked.returncode, checked.stdout) == (0, "2 services with 2 endpoints in force; 0 errors, 0 warnings\n")


HTTP = ("http1", "http1.1", "http-alt", "web", "ws", "kubernetes.io/ws", "HTTP/1.1")
OTHER = {"wss": "TLS", "postgresql": "TCP that is not HTTP"}


def test_what_speaks_http_under_any_name_is_served_by_name_and_all_else_at_its_own_address(folder):
    dns_port, odd = free_port(), [*HTTP, *OTHER]
    with server("one") as port:
        pairs = [
            both(f"shop/p{index}", port, cluster_ip=f"10.96.1.{index + 1}", appProtocol=said)
            for index, said in enumerate(odd)
        ]
        write(folder, *(each for pair in pairs for each in pair))
        checked = command("check", str(folder))
        with Node(folder, "--dns", f"127.0.0.1:{dns_port}") as node:
            until(lambda: look_up(dns_port, "p0.shop.mesh.")[1], "DNS")
            answers = [node.get(f"p{index}.shop.mesh") for index in range(len(odd))]
            records = [look_up(dns_port, f"p{index}.shop.mesh.") for index in range(len(odd))]
            through = [node.get("any", address=(f"127.77.1.{index + 1}", 80)) for index in range(len(odd))]

    assert records == [("NOERROR", [f"127.77.1.{index + 1}"]) for index in range(len(odd))]
    assert through == [(200, "one")] * len(odd)
    assert answers[: len(HTTP)] == [(200, "one")] * len(HTTP)
    assert (checked.returncode, checked.stdout.splitlines()[-1]) == (
        0,
        f"{len(odd)} services with {len(odd)} endpoints in force; 0 errors, 0 warnings",
    )
    for index, speaks in enumerate(OTHER.values(), len(HTTP)):
        said = f"port 80 speaks {speaks}, which is no HTTP and not for this listener: connect to p{index}.shop.mesh:80"
        assert answers[index][0] == 404 and said in answers[index][1]


def test_endpoints_of_a_folder_are_called_and_those_that_are_not_are_named(folder):
    with server("one") as port:
        ports = [{"name": "http", "port": port}]
        write(
            folder,
            service("shop/old"),
            endpoints_of("shop/old", "127.0.0.1", ports=ports),
            endpoints_of("shop/gone", "127.0.0.1", ports=ports),
        )
        checked = command("check", str(folder))
        with Node(folder) as node:
            answer = node.get("old.shop.mesh")
            log = node.log.read_text()

    assert answer == (200, "one")
    told = "(Endpoints shop/gone): subsets: there is no Service shop/gone; these endpoints are not used"
    assert checked.returncode == 0 and told in checked.stdout and told in log


def test_the_clusters_own_name_of_a_service_is_understood_in_the_domain_of_the_setting(folder):
    settings = folder.parent / "settings.yaml"
    settings.write_text("cluster_domain: Corp.Example.\n")
    with server("one") as port:
        write(folder, *both("shop/web", port))
        with Node(folder, "--config", str(settings)) as node:
            answers = [
                node.get(f"web.shop.svc{domain}")[0]
                for domain in ("", ".corp.example", ".corp.example.", ".cluster.local")
            ]

    assert answers == [200, 200, 200, 404]


SQL = {"name": "sql", "port": 5432}


@contextmanager
def greeting_server():
    """A server that speaks first, as databases do; yields its port."""

    class Greeting(socketserver.StreamRequestHandler):
        def handle(self):
            self.wfile.write(b"ready\n")
            self.wfile.write(self.rfile.readline().upper())

    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Greeting) as server:
        server.daemon_threads = True
        Thread(target=server.serve_forever, args=(0.05,)).start()
        try:
            yield server.server_address[1]
        finally:
            server.shutdown()


def database(port, **policies):
    """A service of a database and HTTP beside it, at 127.77.0.20."""
    ports = [SQL, {"name": "http", "port": 80}]
    targets = [{"name": "sql", "port": port}, {"name": "http", "port": port}]
    objects = [
        service("shop/db", ports=ports, clusterIP="10.96.0.20"),
        slice_of("shop/db", endpoint("127.0.0.1"), ports=targets),
    ]
    return [*objects, own_policy_map("shop/own", **policies)] if policies else objects


def explained(folder, name):
    """What `nodeproxy explain` has of a service, of the node with `configured(folder)`."""
    done = command("explain", "--json", name, "--config", str(configured(folder)))
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def configured(folder):
    """The file of settings that names the directory of the node's sockets."""
    config = folder.parent / "node.yaml"
    config.write_text(f"run_dir: {folder.parent / 'run'}\n")
    return config


def test_a_database_is_found_by_dns_and_greets_its_clients_and_every_word_of_it_is_the_same(folder):
    dns_port = free_port()
    with greeting_server() as port:
        write(folder, *database(port, db="retries: {attempts: 1}\nconnectionPool: {maxConnections: 5}"))
        with Node(folder, "--dns", f"127.0.0.1:{dns_port}", "--config", str(configured(folder))) as node:
            until(lambda: look_up(dns_port, "db.shop.mesh.")[1], "DNS")
            ((number, address),) = srv(dns_port, "_sql._tcp.db.shop.mesh.")
            with socket.create_connection((address, number), LIMIT_S) as client, client.makefile("rwb", 0) as stream:
                heard = stream.readline()
                stream.write(b"select\n")
                heard += stream.readline()
            refused = node.get("db.shop.mesh:5432")
            told = explained(folder, "db.shop")

    assert heard == b"ready\nSELECT\n"
    assert refused[0] == 404 and "connect to db.shop.mesh:5432, its own address 127.77.0.20" in refused[1]
    ports = {each["port"]: (each["protocol"], each["origin"], each["where"]) for each in told["ports"]}
    assert ports == {
        "5432": ("tcp", "port number 5432 (PostgreSQL)", "at 127.77.0.20:5432"),
        "80": ("http", "name http", "by name and at 127.77.0.20:80"),
    }
    acts = {each["name"]: each["ports"] for each in told["policies"]}
    assert (acts["retries"], acts["connectionPool"]) == (["80"], ["5432", "80"])


def srv(port, name):
    """Port and address of each SRV record of a name."""
    (text,) = look_up(port, name, "SRV")[1]
    _, _, number, target = text.split()
    return [(int(number), address) for address in look_up(port, target)[1]]


def test_without_virtual_addresses_http_is_served_by_name_and_all_else_says_why_not(folder):
    dns_port = free_port()
    with server("one") as port:
        write(folder, *database(port))
        with Node(
            folder, "--dns", f"127.0.0.1:{dns_port}", "--config", str(configured(folder)), virtual_addresses="false"
        ) as node:
            until(lambda: look_up(dns_port, "db.shop.mesh.")[0] == "NOERROR", "DNS")
            records = [
                look_up(dns_port, *asked)[1] for asked in (("db.shop.mesh.",), ("_sql._tcp.db.shop.mesh.", "SRV"))
            ]
            answers = node.get("db.shop.mesh"), node.get("db.shop.mesh:5432")
            told = explained(folder, "db.shop")

    assert records == [[], []] and told["virtual_address"] == ""
    assert answers[0] == (200, "one") and answers[1][0] == 404
    why = "which is served at a virtual address only, and the service has none"
    assert why in answers[1][1] and why in told["ports"][0]["note"]
    assert [(each["served"], each["where"]) for each in told["ports"]] == [(False, ""), (True, "by name")]


def test_a_policy_changes_what_a_port_speaks_at_once(folder):
    with server("one") as port:
        write(folder, *database(port))
        with Node(folder) as node:
            before = node.get("db.shop.mesh:5432")[0]
            write(folder, *database(port, db="protocol: {ports: {5432: http}}"))
            until(lambda: node.get("db.shop.mesh:5432") == (200, "one"), "the policy")

    assert before == 404
