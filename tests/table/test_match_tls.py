"""Which port a server name means, and what is logged when it means none."""

import pytest

from nodeproxy.errors import NotReady, UnknownCaller, UnknownService
from nodeproxy.mesh.model import Endpoint, Port, Service
from nodeproxy.mesh.wire import Replace
from nodeproxy.table.table import NoTable
from tests.fakes.tables import Mesh, bare_live, web

HTTP, HTTP2, TLS, OTHER_TLS = (
    Port(80),
    Port(443, protocol="http2"),
    Port(443, protocol="tls"),
    Port(8443, protocol="tls"),
)
TCP, DETECT = Port(443, protocol="tcp"), Port(443, protocol="detect")
QUIC = Port(443, protocol="udp", transport="udp")


@pytest.mark.parametrize(
    ("ports", "number"),
    [
        ((HTTP, TLS), 443),
        ((TCP,), 443),
        ((DETECT,), 443),
        ((TLS, OTHER_TLS), 443),
        ((TCP, OTHER_TLS), 443),
        ((HTTP, HTTP2, OTHER_TLS), 8443),
        ((HTTP, OTHER_TLS), 8443),
        ((QUIC, OTHER_TLS), 8443),
        ((Port(5432, protocol="tcp"), OTHER_TLS), 8443),
    ],
)
def test_it_is_the_port_of_the_listeners_number_or_the_only_one_that_speaks_tls(ports, number):
    mesh = Mesh(Replace((web(ports=ports),)))

    assert mesh.live.table.match_tls("web.shop.mesh", "", 443).port.number == number


@pytest.mark.parametrize("name", ["web.shop.mesh", "web.mesh", "web.shop.svc.cluster.local", "web.shop.svc"])
def test_all_names_of_a_service_mean_it(name):
    mesh = Mesh(Replace((web(ports=(TLS,)),)))

    assert mesh.live.table.match_tls(name, "", 443).name == "shop/web:443"


def test_a_pod_has_a_route_of_its_own():
    mesh = Mesh(
        Replace((web(ports=(Port(443, protocol="tls", endpoints=(Endpoint("10.0.0.1", 1, hostname="web-0"),)),)),))
    )

    assert mesh.live.table.match_tls("web-0.web.shop.mesh", "", 443).connect is not None

    assert mesh.made[-1] == "shop/web:443 web-0"


def test_a_name_without_namespace_is_in_the_callers():
    mesh = Mesh(Replace((web(ports=(TLS,)), Service("bank", "web", ports=(TLS,)))))

    assert mesh.live.table.match_tls("web.mesh", "bank", 443).name == "bank/web:443"


ADDRESS = "connect to the address that the name has in DNS"


@pytest.mark.parametrize(
    ("ports", "name", "text"),
    [
        ((TLS,), "example.org", "'example.org' is not a mesh name; use <service>.<namespace>.mesh as the server name"),
        ((TLS,), "web.x.mesh", "'web.x.mesh': there is no service x/web in the mesh; check its name and namespace"),
        (
            (HTTP, HTTP2),
            "web.shop.mesh",
            "'web.shop.mesh': service shop/web has no port 443 for TLS and none that speaks TLS;"
            " set the appProtocol of one to https",
        ),
        (
            (Port(5432, protocol="tcp"), Port(9000, protocol="detect")),
            "web.shop.mesh",
            "'web.shop.mesh': service shop/web has no port 443 for TLS and none that speaks TLS;"
            f" for its port 5432 or 9000, {ADDRESS}, or set the appProtocol of one to https",
        ),
        (
            (OTHER_TLS, Port(9443, protocol="tls")),
            "web.shop.mesh",
            f"'web.shop.mesh': several ports of shop/web speak TLS, 8443, 9443; {ADDRESS}",
        ),
    ],
)
def test_a_refusal_names_the_cure(ports, name, text):
    mesh = Mesh(Replace((web(ports=ports),)))

    with pytest.raises(UnknownService) as refused:
        mesh.live.table.match_tls(name, "", 443)

    assert str(refused.value) == text


def test_a_name_without_namespace_means_nothing_to_an_unknown_caller():
    live = bare_live(Replace((web(ports=(TLS,)),)), namespace="")

    with pytest.raises(UnknownCaller, match="add the namespace"):
        live.table.match_tls("web.mesh", "", 443)


def test_there_is_nothing_before_there_is_a_table():
    with pytest.raises(NotReady, match="check that discovery runs"):
        NoTable().match_tls("web.mesh", "", 443)
