"""The lines between discovery and a worker."""

import json

import msgspec
import pytest
from hypothesis import given
from hypothesis.strategies import binary, builds, dictionaries, from_type, lists, one_of, text

from nodeproxy.mesh.model import Endpoint, Port, Service
from nodeproxy.mesh.wire import Drop, Fresh, PolicyMap, PolicyMaps, Put, Replace, line, parse, size_of

WEB = Service(
    namespace="shop",
    name="web",
    virtual_address="127.77.3.17",
    ports=(
        Port(80, "http", "http", (Endpoint("10.0.0.1", 8080, "node-1", "a"), Endpoint("fd00::1", 8080))),
        Port(53, "dns", "udp", transport="udp"),
    ),
    policies={"timeouts": {"request": "2s"}, "retries": {"retryOn": ["reset"], "backoff": None}},
)
BARE = Service(namespace="shop", name="bare")


MAPS = PolicyMaps((PolicyMap("shop", "mesh", False),))


@pytest.mark.parametrize(
    "update", [Replace(()), Replace((WEB, BARE)), Put(WEB), Put(BARE), Drop("shop/web"), Fresh(), MAPS]
)
def test_every_update_comes_out_as_it_went_in(update):
    written = line(update)

    assert parse(written) == update
    assert parse(bytearray(written[:-1])) == update


@given(
    service=builds(
        Service,
        namespace=text(),
        name=text(),
        virtual_address=text(),
        ports=lists(from_type(Port), max_size=3).map(tuple),
        policies=dictionaries(text(), one_of(text(), lists(text()))),
    )
)
def test_an_update_is_one_line_whatever_stands_in_it(service):
    written = line(Put(service))

    assert written.count(b"\n") == 1 and written.endswith(b"\n")
    assert parse(written) == Put(service)


def test_what_is_as_usual_is_not_written():
    assert json.loads(line(Put(BARE))) == {"type": "put", "service": {"namespace": "shop", "name": "bare"}}


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"put",
        b"[]",
        b"{}",
        b'{"type":"put"}',
        b'{"type":"rename","key":"shop/web"}',
        b'{"type":"drop","key":7}',
        b'{"type":"drop","key":"shop/web"',
        b'{"type":"drop","key":"shop/web"}{"type":"fresh"}',
        b'{"type":"put","service":{"namespace":"shop"}}',
        b'{"type":"put","service":{"namespace":"shop","name":"web","ports":[{"number":"80"}]}}',
        b'{"type":"put","service":{"namespace":"shop","name":"web","ports":[{"number":80,"protocol":"quic"}]}}',
        b'{"type":"drop","key":"\xff"}',
    ],
)
def test_what_is_no_update_is_refused(text):
    with pytest.raises(msgspec.DecodeError):
        parse(text)


@given(junk=binary())
def test_junk_is_refused_or_an_update_and_nothing_else(junk):
    try:
        update = parse(junk)
    except msgspec.DecodeError:
        return
    assert isinstance(update, Replace | Put | Drop | Fresh)


def test_a_field_that_a_newer_discovery_adds_does_no_harm():
    assert parse(b'{"type":"drop","key":"shop/web","why":"deleted"}') == Drop("shop/web")


@pytest.mark.parametrize(("services", "size"), [((), 0), ((BARE,), 0), ((WEB,), 2), ((WEB, BARE, WEB), 4)])
def test_the_size_is_the_number_of_endpoints(services, size):
    assert size_of(services) == size


def test_an_endpoint_is_written_as_its_address_and_port():
    service = Service("shop", "web", ports=(Port(80, endpoints=(Endpoint("10.0.0.1", 8080),)),))

    written = json.loads(line(Put(service)))["service"]["ports"]

    assert written == [{"number": 80, "endpoints": [{"address": "10.0.0.1", "port": 8080}]}]
