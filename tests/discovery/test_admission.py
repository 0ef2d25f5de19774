import pytest

from discovery.kubernetes.admission import accepted
from discovery.kubernetes.decoding import Refused, ref_of
from discovery.problem import path_text
from tests.discovery.kube import endpoint, endpoints_of, service, slice_of


def faults(value):
    with pytest.raises(Refused) as caught:
        accepted(value["kind"], value)
    return [f"{path_text(fault.path)}: {fault.message}" for fault in caught.value.faults]


def test_a_service_as_kubectl_prints_it_is_accepted():
    value = service(
        type="ClusterIP",
        clusterIPs=["10.96.0.10"],
        sessionAffinity="None",
        selector={"app": "reviews"},
        ipFamilies=["IPv4"],
    )
    value["status"] = {"loadBalancer": {}}

    assert accepted("Service", value).key == "shop/reviews"


def test_a_slice_of_nothing_has_null_lists_as_go_prints_them():
    value = slice_of()
    value["ports"] = value["endpoints"] = None

    assert accepted("EndpointSlice", value).service_key == "shop/reviews"


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ({"sessionAffinity": "Cookie"}, "spec.sessionAffinity: expected None or ClientIP, got 'Cookie'"),
        (
            {"sessionAffinityConfig": {"clientIP": {"timeoutSeconds": 0}}},
            "spec.sessionAffinityConfig.clientIP.timeoutSeconds: expected 1 to 86400, got 0",
        ),
        ({"internalTrafficPolicy": "Node"}, "spec.internalTrafficPolicy: expected Cluster or Local, got 'Node'"),
        (
            {"trafficDistribution": "PreferFar"},
            "spec.trafficDistribution: expected PreferSameZone, PreferSameNode or PreferClose, got 'PreferFar'",
        ),
        ({"ipFamilies": ["IPv4", "IPv5"]}, "spec.ipFamilies[1]: expected IPv4 or IPv6, got 'IPv5'"),
        (
            {"type": "ExternalName"},
            "spec.externalName: expected a DNS name in lower case without a scheme or port, got None",
        ),
        (
            {"type": "ExternalName", "externalName": "http://bank.example"},
            "spec.externalName: expected a DNS name in lower case without a scheme or port, got 'http://bank.example'",
        ),
        (
            {"type": "ExternalName", "externalName": "192.0.2.1"},
            "spec.externalName: expected a DNS name; for an address write a Service without selector and an "
            "EndpointSlice, got '192.0.2.1'",
        ),
    ],
)
def test_an_unknown_word_of_a_service_is_reported_with_the_valid_ones(spec, message):
    assert faults(service(**spec)) == [message]


@pytest.mark.parametrize("name", ["bank.example", "bank.example.", "bank"])
def test_an_external_name_is_a_dns_name(name):
    assert accepted("Service", service(type="ExternalName", externalName=name, clusterIP=""))


def test_endpoints_on_loopback_are_accepted_because_a_laptop_has_no_others():
    assert accepted("EndpointSlice", slice_of("shop/reviews", endpoint("127.0.0.1")))


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (endpoints_of("shop/a", "10.0.0.256"), "subsets[0].addresses[0].ip: expected an IP address, got '10.0.0.256'"),
        (
            endpoints_of("shop/a", not_ready=["169.254.1.1"]),
            "subsets[0].notReadyAddresses[0].ip: expected an address of one pod or host, got '169.254.1.1'",
        ),
        (
            endpoints_of("shop/a", ports=[{"port": 0}, {"port": 80}]),
            "subsets[0].ports[0].port: expected 1 to 65535, got 0",
        ),
    ],
)
def test_endpoints_that_an_api_server_refuses_are_refused(value, message):
    assert faults(value)[0] == message


@pytest.mark.parametrize("name", ["1web", "10", "0", "1" * 63])
def test_a_service_whose_name_begins_with_a_digit_is_accepted(name):
    assert accepted("Service", service(f"shop/{name}")).key == f"shop/{name}"


def test_no_namespace_is_the_default_namespace():
    value = service()
    del value["metadata"]["namespace"]

    assert accepted("Service", value).key == "default/reviews"


def test_a_value_of_a_wrong_type_is_shown_at_its_place():
    assert faults(service(ports=[{"port": "eighty"}])) == ["spec.ports[0].port: expected int, got 'eighty'"]


def test_a_null_where_a_value_must_be_is_shown():
    assert faults(service(ports=[{"port": None}])) == ["spec.ports[0].port: expected int, got None"]


def test_a_missing_field_is_named():
    assert faults(service(ports=[{"name": "http"}])) == ["spec.ports[0].port: required, but missing"]


def test_a_label_that_is_no_text_is_named():
    value = slice_of()
    value["metadata"]["labels"]["app.kubernetes.io/version"] = 2

    assert faults(value) == ['metadata.labels["app.kubernetes.io/version"]: expected str, got 2']


def test_a_removed_version_of_the_api_is_refused():
    value = slice_of()
    value["apiVersion"] = "discovery.k8s.io/v1beta1"

    assert faults(value) == ["apiVersion: expected discovery.k8s.io/v1, got 'discovery.k8s.io/v1beta1'"]


def test_everything_that_is_wrong_is_said_at_once():
    ports = [{"name": "Web", "port": 0, "protocol": "tcp"}, {"port": 65536}]

    assert [fault.partition(": ")[0] for fault in faults(service(ports=ports))] == [
        "spec.ports[0].port",
        "spec.ports[0].protocol",
        "spec.ports[0].name",
        "spec.ports[1].port",
        "spec.ports[1].name",
    ]


@pytest.mark.parametrize(
    ("value", "fault"),
    [
        (service("shop/-reviews"), "metadata.name: expected lower-case letters"),
        (service("shop/" + "a" * 64), "metadata.name: expected lower-case letters"),
        (service("Shop/reviews"), "metadata.namespace: expected lower-case letters"),
        (service(type="Load"), "spec.type: expected ClusterIP, NodePort, LoadBalancer or ExternalName, got 'Load'"),
        (service(clusterIP="10.96.0"), "spec.clusterIP: expected an IP address or None, got '10.96.0'"),
        (
            service(ports=[{"name": "a", "port": 80}, {"name": "a", "port": 81}]),
            "spec.ports[1].name: another port has it too, got 'a'",
        ),
        (
            service(ports=[{"name": "a", "port": 80}, {"name": "b", "port": 80, "protocol": "TCP"}]),
            "spec.ports[1].port: another port has it too, got (80, 'TCP')",
        ),
        (slice_of(name="-x"), "metadata.name: expected lower-case letters"),
        (slice_of(family="IPv5"), "addressType: expected IPv4, IPv6 or FQDN, got 'IPv5'"),
        (slice_of(ports=[{"port": 70000}]), "ports[0].port: expected 1 to 65535, got 70000"),
        (slice_of(ports=[{"port": 1}, {"port": 2}]), "ports[1].name: another port has it too, got ''"),
        (slice_of("a/b", {"addresses": []}), "endpoints[0].addresses: expected at least one address, got []"),
        (
            slice_of("a/b", endpoint("10.0.0.256")),
            "endpoints[0].addresses[0]: expected an IPv4 address, got '10.0.0.256'",
        ),
        (slice_of("a/b", endpoint("fd00::1")), "endpoints[0].addresses[0]: expected an IPv4 address, got 'fd00::1'"),
        (slice_of("a/b", endpoint("0.0.0.0")), "endpoints[0].addresses[0]: expected an address of one pod"),
        (slice_of("a/b", endpoint("224.0.0.1")), "endpoints[0].addresses[0]: expected an address of one pod"),
        (slice_of("a/b", endpoint("fe80::1"), family="IPv6"), "endpoints[0].addresses[0]: expected an address of one"),
        (slice_of("a/b", endpoint("fd00::1%eth0"), family="IPv6"), "endpoints[0].addresses[0]: expected an IPv6"),
    ],
)
def test_what_an_api_server_refuses_is_refused(value, fault):
    assert faults(value)[0].startswith(fault)


def test_a_name_server_has_one_port_number_for_two_protocols():
    ports = [{"name": "dns", "port": 53, "protocol": "UDP"}, {"name": "dns-tcp", "port": 53, "protocol": "TCP"}]

    assert accepted("Service", service(ports=ports))


def test_a_value_without_a_usable_name_has_no_reference():
    for metadata in (None, {}, {"name": ""}, {"name": 5}, {"name": "a", "namespace": 5}, "x"):
        assert ref_of("Service", {"metadata": metadata}) is None
