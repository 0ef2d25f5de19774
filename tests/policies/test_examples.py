"""Each example of docs/policies is admitted by discovery without a remark, and serves requests where it is in force."""

import re
from pathlib import Path

import pytest

from discovery.check import check
from discovery.kubernetes.documents import yaml_documents
from discovery.policies.table import table_of
from discovery.services.catalogue import POLICY_MAP, Catalogue, Scope
from discovery.sources.folder.folder import Folder
from nodeproxy.mesh.wire import Replace
from nodeproxy.policies.chain import CHAIN
from nodeproxy.policies.table import settings_of
from tests.discovery.kube import endpoint, file_of, service, slice_of

EXAMPLES = Path(__file__).parents[2] / "docs" / "policies" / "examples"
NAMES = [policy.name for policy in CHAIN]
GET = b"GET / HTTP/1.1\r\nHost: web.shop.mesh\r\n\r\n"
ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
REQUESTS = 5
OTHERWISE: dict[str, int] = {}
"""The status of the example's responses where it is meant not to be the endpoint's."""


def named(value, namespace):
    """The keys of services that a policy table mentions, as `service` and perhaps `namespace`."""
    if isinstance(value, list):
        return set().union(*(named(each, namespace) for each in value))
    if not isinstance(value, dict):
        return set()
    inside = value.get("service")
    name = inside.get("name") if isinstance(inside, dict) else inside
    own = {f"{value.get('namespace', namespace)}/{name}"} if isinstance(name, str) else set()
    return own.union(*(named(each, namespace) for each in value.values()))


def services_of(text):
    """The keys of the services that an example is about: web in shop, its tables' keys, and those in its tables."""
    found = {"shop/web"}
    for each in (document.value for document in yaml_documents(text.encode())):
        metadata = each["metadata"]
        for key, table in each["data"].items():
            own = "labels" in metadata
            name, _, namespace = (key, "", metadata["namespace"]) if own else key.partition(".")
            found |= ({f"{namespace}/{name}"} if name != "_default" else set()) | named(table_of(table), namespace)
    return sorted(found)


def folder_of(name, path, port):
    """A folder with the example and the services that it is about, all with one endpoint at this port."""
    text = (EXAMPLES / f"{name}.yaml").read_text()
    (path / "example.yaml").write_text(text)
    objects = []
    for number, key in enumerate(services_of(text)):
        objects.append(service(key, clusterIP=f"10.96.0.{10 + number}"))
        objects.append(slice_of(key, endpoint("127.0.0.1"), ports=[{"name": "http", "port": port}]))
    (path / "services.yaml").write_bytes(file_of(*objects))
    return path


async def serve(world, server):
    """Answer every request on every connection, until cancelled."""
    while True:
        peer = await server.accept()
        world.reactor.spawn(answer(peer))


async def answer(peer):
    while data := await peer.channel.recv():
        peer.received += data
        while b"\r\n\r\n" in peer.received:
            await peer.head()
            await peer.send(ANSWER)


@pytest.mark.parametrize("name", NAMES)
def test_an_example_is_admitted_without_a_remark(name, tmp_path):
    report = check(folder_of(name, tmp_path, 8080))

    assert (report.problems, report.warnings) == ((), ())


@pytest.mark.parametrize("name", NAMES)
async def test_requests_are_served_with_an_example_in_force(name, tmp_path, world):
    server = world.endpoint()
    catalogue = Catalogue(Scope())
    catalogue.apply(Folder(folder_of(name, tmp_path, server.port), POLICY_MAP).read())
    world.install(Replace(tuple(catalogue.services.values())))
    serving = world.reactor.spawn(serve(world, server))

    client = await world.client()
    statuses = []
    for _ in range(REQUESTS):
        await client.send(GET)
        head = await client.head()
        await client.exactly(int(re.search(rb"(?i)\r\ncontent-length: (\d+)\r\n", head)[1]))
        statuses.append(int(head[9:12]))
    serving.cancel()

    policies = catalogue.services["shop/web"].policies
    assert name in policies
    assert world.live.table.at("shop/web", "80").settings[name] == settings_of(policies)[name]
    assert statuses == [OTHERWISE.get(name, 200)] * REQUESTS
