"""The values that discovery and workers share."""

import pytest

from nodeproxy.mesh.model import Endpoint, Port, Service


def test_the_key_of_a_service_is_namespace_and_name():
    assert Service(namespace="shop", name="web").key == "shop/web"


def test_equal_values_are_equal_and_endpoints_can_be_looked_up():
    assert Port(80, endpoints=(Endpoint("10.0.0.1", 80),)) == Port(80, endpoints=(Endpoint("10.0.0.1", 80),))
    assert len({Endpoint("10.0.0.1", 80), Endpoint("10.0.0.1", 80), Endpoint("10.0.0.1", 81)}) == 2


@pytest.mark.parametrize("value", [Endpoint("10.0.0.1", 80), Port(80), Service("shop", "web")])
def test_a_value_cannot_be_changed(value):
    with pytest.raises(AttributeError):
        setattr(value, value.__struct_fields__[0], "other")


def test_services_do_not_share_their_policies():
    one, other = Service("shop", "one"), Service("shop", "other")

    one.policies["retries"] = {}

    assert other.policies == {}


def test_a_port_speaks_http_unless_it_says_otherwise():
    assert Port(80).protocol == "http"
