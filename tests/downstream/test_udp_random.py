"""Whatever clients and endpoints send in whatever order: each datagram arrives whole, once, at the right peer."""

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.fakes.udp import UdpService
from tests.fakes.world import World

CLIENTS, ENDPOINTS = 4, 3
SIZES = st.one_of(st.integers(0, 40), st.integers(0, 65_507), st.sampled_from([0, 1472, 1473, 65_507]))
STEPS = st.lists(st.tuples(st.sampled_from(["send", "reply", "turn"]), st.integers(0, CLIENTS - 1), SIZES), max_size=40)


@settings(max_examples=40)
@given(STEPS)
def test_datagrams_come_out_whole_and_at_the_right_peer(steps):
    with World() as world:
        service = UdpService(world, ENDPOINTS)
        try:
            world.run(_play(world, service, steps))
        finally:
            service.close()


async def _play(world, service, steps):
    clients = [service.client() for _ in range(CLIENTS)]
    sent, replied = [[] for _ in clients], [[] for _ in clients]
    peers = []  # by client: its endpoint, and the address that its session has there
    for client in clients:
        client.send(b"hello")
        (peer,) = [(each, mesh) for each in service.endpoints for _, mesh in await each.all()]
        peers.append(peer)
    waiting_bytes = 0  # in the socket of a session, which has the kernel's default buffer

    for number, (what, which, size) in enumerate(steps):
        data = _datagram(which, number, size)
        if what == "send":
            clients[which].send(data)
            sent[which].append(data)
        elif what == "reply":
            endpoint, mesh = peers[which]
            endpoint.reply(data, mesh)
            replied[which].append(data)
            waiting_bytes += size
        if what == "turn" or waiting_bytes > 65_507:
            await world.settle(1 + number % 3)
            waiting_bytes = 0
    arrived = [[] for _ in clients]
    for endpoint in service.endpoints:
        for data, mesh in await endpoint.all():
            arrived[peers.index((endpoint, mesh))].append(data)
    returned = [await client.all() for client in clients]

    assert arrived == sent and returned == replied
    assert not service.stats.dropped and len(service.sessions) == CLIENTS


def _datagram(which, number, size):
    """No two are alike, as far as so few bytes can differ."""
    return (b"%d/%d;" % (which, number) * (size // 4 + 1))[:size]
