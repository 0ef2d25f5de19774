"""The states of endpoints, as they are reported."""


async def test_each_endpoint_is_usable_or_ejected_or_unhealthy(world):
    world.serve(*(world.endpoint() for _ in range(4)))
    one, two, three, _ = world.clusters.of(world.route.service, world.route.port).endpoints
    one.health.ejected_until = world.clock.now + 5
    two.health.outlier_until = world.clock.now + 5
    three.health.outlier_until, three.health.probes_down = world.clock.now + 5, True

    (numbers,) = world.plane.ports.numbers("shop/web")
    world.clock.now += 5
    (later,) = world.plane.ports.numbers("shop/web")

    states = [(n.state.endpoints, n.state.ejected, n.state.unhealthy) for n in (numbers, later)]
    assert states == [(4, 2, 1), (4, 0, 1)]
    assert (numbers.state.usable, later.state.usable) == (1, 3)
