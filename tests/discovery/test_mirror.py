"""v1 Endpoints in a folder: used as a cluster would use them, or reported with the reason."""

import pytest

from discovery.services.catalogue import POLICY_MAP, Catalogue, Scope
from discovery.sources.folder.folder import Folder
from discovery.sources.folder.mirror import LEADER_ANNOTATION, SKIP_LABEL
from tests.discovery.kube import endpoint, endpoints_of, file_of, service, slice_of


class Reading:
    """A folder of one file, and the services built from it."""

    def __init__(self, path):
        self.path = path
        self.folder = Folder(path, POLICY_MAP)
        self.catalogue = Catalogue(Scope())

    def read(self, *objects):
        (self.path / "shop.yaml").write_bytes(file_of(*objects))
        return self.catalogue.apply(self.folder.read())

    @property
    def endpoints(self):
        ports = self.catalogue.services["shop/reviews"].ports
        return [(each.address, each.port) for port in ports for each in port.endpoints]

    @property
    def said(self):
        found = list(self.catalogue.problems())
        return [(each.severity, str(each).partition("subsets: ")[2]) for each in found]


@pytest.fixture
def reading(tmp_path):
    return Reading(tmp_path)


def test_endpoints_of_a_service_without_selector_are_its_endpoints(reading):
    reading.read(endpoints_of("shop/reviews", "10.0.0.2", "10.0.0.1", not_ready=["10.0.0.3"]), service())

    assert reading.endpoints == [("10.0.0.1", 8080), ("10.0.0.2", 8080)]
    assert reading.said == []


def test_a_change_of_endpoints_is_a_change_of_the_service_and_their_end_leaves_none(reading):
    reading.read(service(), endpoints_of("shop/reviews", "10.0.0.1"))

    changed = reading.read(service(), endpoints_of("shop/reviews", "10.0.0.2"))
    unchanged = reading.read(service(), endpoints_of("shop/reviews", "10.0.0.2", labels={"a": "b"}))
    assert list(changed) == ["shop/reviews"] and not unchanged
    assert reading.endpoints == [("10.0.0.2", 8080)]

    reading.read(service())
    assert reading.endpoints == []


def test_every_subset_counts_with_its_own_ports(reading):
    value = endpoints_of("shop/reviews", "10.0.0.1")
    value["subsets"] += endpoints_of("shop/reviews", "10.0.0.2", ports=[{"name": "http", "port": 9090}])["subsets"]

    reading.read(service(), value)

    assert reading.endpoints == [("10.0.0.1", 8080), ("10.0.0.2", 9090)]


@pytest.mark.parametrize(("families", "address"), [(["IPv4"], "10.0.0.1"), (["IPv6"], "fd00::1")])
def test_addresses_are_separated_by_family(reading, families, address):
    reading.read(service(ipFamilies=families), endpoints_of("shop/reviews", "fd00::1", "10.0.0.1"))

    assert reading.endpoints == [(address, 8080)]


def test_endpoints_that_are_not_ready_serve_when_the_service_publishes_them(reading):
    reading.read(service(publishNotReadyAddresses=True), endpoints_of("shop/reviews", not_ready=["10.0.0.3"]))

    assert reading.endpoints == [("10.0.0.3", 8080)]


def test_a_typed_list_of_endpoints_is_read(reading):
    items = [{key: value for key, value in endpoints_of("shop/reviews", "10.0.0.1").items() if key != "kind"}]

    reading.read(service(), {"apiVersion": "v1", "kind": "EndpointsList", "items": items})

    assert reading.endpoints == [("10.0.0.1", 8080)]


EXPORTED = endpoints_of("shop/reviews", "10.0.0.9")


SLICES_COUNT = "there are EndpointSlices of shop/reviews, and those count; these endpoints are not used"
ITS_SLICE = slice_of("shop/reviews", endpoint("10.0.0.1"))
SKIPPED = endpoints_of("shop/reviews", "10.0.0.9", labels={SKIP_LABEL: "true"})
LOCK = endpoints_of("shop/reviews", "10.0.0.9", annotations={LEADER_ANNOTATION: "{}"})
OTHERS = endpoints_of("shop/other", "10.0.0.9")
SELECTING, EXTERNAL = service(selector={"app": "x"}), service(type="ExternalName", externalName="a.example")


@pytest.mark.parametrize(
    ("objects", "found", "severity", "reason"),
    [
        ([service(), EXPORTED, ITS_SLICE], ["10.0.0.1"], "note", SLICES_COUNT),
        ([SELECTING, EXPORTED, ITS_SLICE], ["10.0.0.1"], "note", SLICES_COUNT),
        (
            [SELECTING, EXPORTED],
            [],
            "warning",
            "Service shop/reviews has a selector, so that a cluster makes slices of",
        ),
        ([service(), SKIPPED], [], "note", f"the label {SKIP_LABEL} says that its writer makes the slices; these"),
        ([service(), LOCK], [], "note", f"the annotation {LEADER_ANNOTATION} says that it is a lock; these"),
        ([EXTERNAL, EXPORTED], [], "warning", "Service shop/reviews is an ExternalName: it has the addresses of its"),
        ([service(), OTHERS], [], "warning", "there is no Service shop/other; these endpoints are not used"),
    ],
)
def test_endpoints_that_are_not_used_are_named_with_the_reason(reading, objects, found, severity, reason):
    reading.read(*objects)

    assert [address for address, _ in reading.endpoints] == found
    ((said, text),) = reading.said
    assert said == severity and text.startswith(reason)


@pytest.mark.parametrize("selector", [None, {}])
def test_an_empty_selector_is_none(reading, selector):
    reading.read(service(selector=selector), EXPORTED)

    assert reading.endpoints == [("10.0.0.9", 8080)]


@pytest.mark.parametrize(("labels", "used"), [({SKIP_LABEL: "false"}, True), ({SKIP_LABEL: "true"}, False)])
def test_only_the_label_true_means_that_another_controller_makes_the_slices(reading, labels, used):
    reading.read(service(), endpoints_of("shop/reviews", "10.0.0.9", labels=labels))

    assert bool(reading.endpoints) is used
