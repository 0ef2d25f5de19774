"""What the control process finds for diagnose: the port a name means, the caller that --from means."""

import pytest

from discovery.observe.diagnosis.callers import NoCaller, caller_facts, caller_meant
from discovery.observe.diagnosis.page import DiagnosePage
from discovery.observe.diagnosis.ports import NoPort, port_meant
from discovery.observe.server import Asked
from discovery.services.catalogue import Catalogue, Scope
from discovery.sources.source import Batch
from nodeproxy.mesh.model import Caller, Port, Service
from nodeproxy.mesh.reports import PortCounters, RequestKind
from nodeproxy.policies.rate_limit import RateLimitSettings
from tests.discovery.kube import put, service
from tests.discovery.test_service_pages import body, publisher_of

pytestmark = pytest.mark.anyio
CART, OLD, ELSEWHERE = (
    Caller("10.1.0.1", "shop", "cart"),
    Caller("10.1.0.2", "shop", "cart-old"),
    Caller("10.1.0.3", "till", "cart"),
)
LIMITS = RateLimitSettings.model_validate(
    {
        "perCaller": {"requestsPerSecond": 5.0},
        "overrides": (
            {"namespace": "shop", "requestsPerSecond": 7.0},
            {"namespace": "shop", "workload": "cart", "requestsPerSecond": 9.0, "burst": 2},
        ),
    }
)


@pytest.mark.parametrize(
    ("text", "caller"),
    [
        ("10.1.0.1", CART),
        ("shop/cart", CART),
        ("shop/cart-6f7c-x2k", CART),
        ("shop/cart-old-1", OLD),
        ("till/cart", ELSEWHERE),
        ("cart-old", OLD),
    ],
)
def test_a_caller_is_found_by_address_workload_or_pod(text, caller):
    assert caller_meant(text, (CART, OLD, ELSEWHERE)) == caller


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("cart", "'cart' is in several namespaces: shop, till"),
        ("shop/web", "no pod of this node is 'shop/web'; its callers are shop/cart, shop/cart-old, till/cart"),
    ],
)
def test_a_caller_that_is_not_one_is_said_with_what_there_is(text, said):
    with pytest.raises(NoCaller) as error:
        caller_meant(text, (CART, OLD, ELSEWHERE))

    assert str(error.value) == said


@pytest.mark.parametrize(
    ("caller", "limit"),
    [
        (CART, "rateLimit.overrides[1], 9 requests/s, burst 2"),
        (OLD, "rateLimit.overrides[0], 7 requests/s, burst 1"),
        (ELSEWHERE, "rateLimit.perCaller, 5 requests/s, burst 1"),
    ],
)
def test_the_limit_of_a_caller_is_the_narrowest(caller, limit):
    kinds = (RequestKind(200, "", "shop", "cart"), 3), (RequestKind(429, "rate-limited", "shop", "cart"), 2)

    facts = caller_facts(caller, PortCounters(requests=kinds), LIMITS)

    assert facts.limit == limit
    assert (facts.requests, facts.refused) == ((5, {"rate-limited": 2}) if caller == CART else (0, {}))


HTTP, ALSO, SQL, GRPC = Port(80), Port(8080), Port(5432, protocol="tcp"), Port(9090, protocol="http2")


@pytest.mark.parametrize(
    ("ports", "number", "meant"),
    [
        ((HTTP, ALSO), 0, HTTP),
        ((ALSO, SQL), 0, ALSO),
        ((ALSO, GRPC), 0, ALSO),
        ((SQL,), 0, SQL),
        ((HTTP, SQL), 5432, SQL),
    ],
)
def test_a_name_without_a_port_means_the_one_that_a_request_reaches(ports, number, meant):
    assert port_meant(Service("shop", "web", ports=ports), number) == meant


def test_several_ports_need_a_number():
    with pytest.raises(NoPort) as error:
        port_meant(Service("shop", "web", ports=(ALSO, Port(81))), 0)

    assert (str(error.value), error.value.cure) == (
        "web.shop has several ports: 8080, 81",
        "name one, such as web.shop:8080",
    )


async def test_the_page_says_what_is_not_there_and_where_the_cluster_dns_is():
    catalogue = Catalogue(Scope())
    catalogue.apply(Batch((put(service("kube-system/kube-dns", clusterIP="10.96.0.10")),)))

    found = body(await DiagnosePage(publisher_of(), catalogue)(Asked({"service": "web.shop"})))

    assert found["problem"].startswith("there is no namespace shop with a service in it")
    assert found["cluster_dns"] == "10.96.0.10:53"
