"""Which route a name means, and what is told when it means none."""

import pytest

from nodeproxy.errors import UnknownCaller, UnknownService
from nodeproxy.mesh.model import Endpoint, Port, Service
from nodeproxy.mesh.unserved import NO_ADDRESS
from nodeproxy.mesh.wire import Drop, Put, Replace
from nodeproxy.table import table
from nodeproxy.table.table import Table
from tests.fakes.exchanges import request
from tests.fakes.tables import Mesh, bare_live, other, web

PODS = (
    Endpoint("10.0.0.1", 80, hostname="web-0"),
    Endpoint("10.0.0.2", 80, hostname="web-1"),
    Endpoint("10.0.0.3", 80),
)
UDP, TCP = Port(53, protocol="udp", transport="udp"), Port(5432, protocol="tcp")
HERE = "which is no HTTP and not for this listener: connect to web.shop.mesh"
CURE = "where it speaks HTTP after all, set its appProtocol to http or kubernetes.io/h2c"
ADDRESS = "127.77.0.9"
TLS, QUIC = Port(443, protocol="tls"), Port(443, protocol="udp", transport="udp")


@pytest.mark.parametrize(
    "host", [b"web.shop.mesh", b"WEB.shop.mesh.", b"web.mesh", b"web.shop.svc.cluster.local", b"web.shop.mesh:80"]
)
def test_a_route_goes_by_all_names_of_its_service(host):
    mesh = Mesh(Replace((web(), other("new"))))

    assert mesh.match(host).name == "shop/web:80"
    assert mesh.match(host) is mesh.match(host)


def test_the_clusters_own_name_of_a_service_has_the_domain_of_the_setting():
    live = bare_live(Replace((web(),)), cluster_domain="corp.example")

    assert live.table.match(request(host=b"web.shop.svc.corp.example"), "").name == "shop/web:80"
    with pytest.raises(UnknownService, match="not a mesh name"):
        live.table.match(request(host=b"web.shop.svc.cluster.local"), "")


def test_x_mesh_service_counts_more_than_the_host():
    mesh = Mesh(Replace((web(), other("new"))))

    assert mesh.match(b"example.com", service=b"new.shop.mesh").name == "shop/new:80"


@pytest.mark.parametrize(
    ("ports", "host", "number"),
    [
        ((Port(80), Port(8080)), b"web.mesh", 80),
        ((Port(80), Port(8080)), b"web.mesh:8080", 8080),
        ((Port(8080),), b"web.mesh", 8080),
        ((Port(8080),), b"web.mesh:8080", 8080),
        ((UDP, TCP, Port(8080)), b"web.mesh", 8080),
        ((Port(8080), Port(9090, protocol="http2")), b"web.mesh", 8080),
        ((Port(9090, protocol="http2"),), b"web.mesh", 9090),
    ],
)
def test_a_name_without_a_port_means_80_or_the_only_http_port(ports, host, number):
    assert Mesh(Replace((web(ports=ports),))).match(host).port.number == number


@pytest.mark.parametrize("ports", [(Port(80), Port(80, transport="udp", protocol="udp"))[::step] for step in (1, -1)])
def test_a_port_of_another_transport_with_the_same_number_takes_nothing_away(ports):
    mesh = Mesh(Replace((web(ports=ports),)))

    assert mesh.match(b"web.shop.mesh").port.transport == mesh.live.table.at("shop/web", "80").port.transport == "tcp"
    assert mesh.names() == ["shop/web:80", "shop/web:80/udp"]


@pytest.mark.parametrize(
    ("ports", "host", "told"),
    [
        ((Port(80),), b"example.com", "'example.com' is not a mesh name; call http://<service>.<namespace>.mesh/"),
        ((Port(80),), b"[::1]:80", "'[::1]:80' is not a mesh name; call http://<service>.<namespace>.mesh/"),
        (
            (Port(80),),
            b"w\xc3\xa9b.mesh",
            "'w\\ufffd\\ufffdb.mesh' is not a mesh name; call http://<service>.<namespace>.mesh/",
        ),
        (
            (Port(80),),
            b"web.shopp.mesh",
            "'web.shopp.mesh': there is no service shopp/web in the mesh; check its name and namespace",
        ),
        (
            (Port(80),),
            b"web-0.web.shop.mesh",
            "service shop/web has no ready pod web-0; it has none with a name",
        ),
        (
            (Port(80),),
            b"web-0.db.shop.mesh",
            "'web-0.db.shop.mesh': there is no service shop/db in the mesh; check its name and namespace",
        ),
        (
            (Port(80, endpoints=PODS),),
            b"web-7.web.shop.mesh",
            "service shop/web has no ready pod web-7; it has web-0, web-1",
        ),
        ((Port(80), Port(81)), b"web.mesh:9", "'web.mesh:9': service shop/web has no HTTP port 9; it has 80, 81"),
        ((UDP,), b"web.mesh:54", "'web.mesh:54': service shop/web has no HTTP port 54; it has none"),
        (
            (Port(80), UDP),
            b"web.mesh:53",
            "'web.mesh:53': service shop/web has no HTTP port 53: port 53 speaks UDP, "
            f"{HERE}:53, its own address {ADDRESS}",
        ),
        (
            (TLS, QUIC),
            b"web.mesh:443",
            "'web.mesh:443': service shop/web has no HTTP port 443: port 443 speaks TLS, port 443 speaks UDP, "
            f"{HERE}, its own address {ADDRESS}; {CURE}",
        ),
        ((Port(81), Port(82)), b"web.mesh", "'web.mesh': name an HTTP port of shop/web; it has 81, 82"),
        (
            (TCP,),
            b"web.mesh",
            "'web.mesh': service shop/web has no HTTP port: port 5432 speaks TCP that is not HTTP, "
            f"{HERE}:5432, its own address {ADDRESS}; {CURE}",
        ),
        ((), b"web.mesh", "'web.mesh': service shop/web has no HTTP port; it has none"),
    ],
)
def test_a_refusal_says_what_to_check(ports, host, told):
    assert Mesh(Replace((Service("shop", "web", ADDRESS, ports),))).refusal(host) == told


def test_a_refusal_for_a_port_without_http_of_a_service_without_an_address_sends_past_the_mesh():
    told = Mesh(Replace((Service("shop", "web", ports=(TCP,)),))).refusal(b"web.mesh:5432")

    only = "which is served at a virtual address only"
    assert told.endswith(f"{only}, and {NO_ADDRESS}: call web.shop.svc:5432, past the mesh")


@pytest.mark.parametrize(
    "host", [b"web-0.web.shop.mesh", b"WEB-0.web.shop.mesh.:80", b"web-0.web.shop.svc.cluster.local"]
)
def test_a_pod_of_a_service_has_a_route_of_its_own_that_counts_for_the_service(host):
    mesh = Mesh(Replace((web(*PODS),)))
    service = mesh.match(b"web.shop.mesh")

    route = mesh.match(host)

    assert route is not service and route.stats is service.stats and route.name == service.name
    assert mesh.match(host) is mesh.match(b"web-0.web.shop.mesh") is route
    assert mesh.made == ["shop/web:80", "shop/web:80 web-0"]


def test_the_route_of_a_pod_is_found_by_the_field_too_and_stays_while_its_service_does():
    mesh = Mesh(Replace((web(*PODS), other("old"))))
    route = mesh.match(b"example.com", service=b"web-1.web.shop.mesh")

    mesh.live.install(Drop("shop/old"))

    assert mesh.match(b"web-1.web.shop.mesh") is route


def test_spellings_are_remembered_up_to_a_bound(monkeypatch):
    monkeypatch.setattr(table, "SPELLINGS_MOST", 3)
    mesh = Mesh(Replace((web(),)))
    spellings = [b"web.shop.mesh", b"Web.shop.mesh", b"wEb.shop.mesh", b"weB.shop.mesh", b"WEB.shop.mesh"]

    routes = {id(mesh.match(spelling)) for spelling in spellings}

    assert len(routes) == 1
    assert list(mesh.live.table._found) == spellings[:3]


def test_a_change_of_a_service_forgets_its_spellings_and_no_others():
    mesh = Mesh(Replace((web(), other("new"))))
    before, untouched = mesh.match(b"web.shop.mesh"), mesh.match(b"new.shop.mesh")

    mesh.live.install(Put(web(Endpoint("10.0.0.1", 8080))))

    assert list(mesh.live.table._found) == [b"new.shop.mesh"]
    assert mesh.match(b"web.shop.mesh") is not before and mesh.match(b"new.shop.mesh") is untouched
    mesh.live.install(Drop("shop/web"))
    mesh.refusal(b"web.shop.mesh")


def test_names_that_mean_nothing_are_not_remembered():
    mesh = Mesh(Replace((web(),)))

    for number in range(100):
        mesh.refusal(b"nobody-%d.mesh" % number)

    assert not mesh.live.table._found


def test_tables_do_not_share_their_memory():
    assert Table()._found is not Table()._found


def test_a_name_without_namespace_is_in_the_callers_and_means_another_service_for_another_caller():
    mesh = Mesh(Replace((web(), Service("bank", "web", ports=(Port(80),)))))

    assert mesh.match(b"web.mesh", namespace="bank").name == "bank/web:80"
    assert mesh.match(b"web.mesh", namespace="shop").name == "shop/web:80"
    assert mesh.match(b"web.mesh").name == "shop/web:80"  # the namespace of those who are no pods


def test_a_name_without_namespace_means_nothing_for_somebody_unknown():
    live = bare_live(Replace((web(),)), namespace="")

    with pytest.raises(UnknownCaller, match="add the namespace"):
        live.table.match(request(host=b"web.mesh"), "")
