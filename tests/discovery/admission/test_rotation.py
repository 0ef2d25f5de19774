"""The rotation against a scripted API server, on the test's clock."""

from base64 import b64decode

import anyio
import pytest

from discovery.admission.rotation import ROUND_S, TRIES, Rotation
from discovery.log import logger
from discovery.sources.cluster.errors import Conflict, Forbidden, NotFound, Unauthorized
from tests.discovery.admission.api_server import NAMES, ApiServer, Clock, EndOfTest

pytestmark = pytest.mark.anyio
DAY_S = 86_400.0


def replica(server, clock):
    return Rotation(server, NAMES, clock.world, lambda: clock.wall)


async def test_the_first_round_makes_a_certificate_has_it_trusted_and_serves_it():
    server, clock = ApiServer(), Clock()
    rotation = replica(server, clock)

    await rotation.round()

    assert rotation.ready.is_set()
    assert sorted(server.secret) == ["ca.crt", "tls.crt", "tls.key"]
    assert server.bundles == [server.secret["ca.crt"]] * 2
    assert server.objects[NAMES.configuration_path]["webhooks"][0]["timeoutSeconds"] == 2


async def test_further_rounds_and_a_restart_write_nothing():
    server, clock = ApiServer(), Clock()
    first, restarted = replica(server, clock), replica(server, clock)
    await first.round()
    written, context = list(server.writes), first.context

    await first.round()
    await restarted.round()

    assert server.writes == written
    assert first.context is context
    assert restarted.ready.is_set()


async def test_replicas_that_start_at_once_agree_on_one_certificate():
    server, clock = ApiServer(), Clock()
    replicas = [replica(server, clock) for _ in range(4)]

    async with anyio.create_task_group() as group:
        for each in replicas:
            group.start_soon(each.round)

    assert server.writes.count(NAMES.secret_path) == 1
    assert server.bundles == [server.secret["ca.crt"]] * 2
    assert all(each.ready.is_set() for each in replicas)


async def test_a_certificate_near_its_end_is_replaced_but_served_only_when_it_has_been_trusted_for_a_round():
    server, clock = ApiServer(), Clock()
    rotation = replica(server, clock)
    await rotation.round()
    before, context = server.secret["tls.crt"], rotation.context

    clock.wall += 61 * DAY_S
    await rotation.round()

    assert server.secret["tls.crt"] != before
    assert rotation.context is context
    await rotation.round()
    assert rotation.context is not context


async def test_when_the_secret_was_emptied_the_certificate_in_use_stays_trusted():
    server, clock = ApiServer(), Clock()
    rotation = replica(server, clock)
    await rotation.round()
    [first] = _authorities(server)

    server.put(NAMES.secret_path, {})
    await rotation.round()

    assert _authorities(server)[1:] == [first]


def _authorities(server):
    return b64decode(server.secret["ca.crt"]).decode().split("-----END CERTIFICATE-----\n")[:-1]


async def test_another_replica_follows_a_rotation_without_writing():
    server, clock = ApiServer(), Clock()
    first, second = replica(server, clock), replica(server, clock)
    await first.round()
    await second.round()
    context = second.context
    clock.wall += 61 * DAY_S
    await first.round()
    written = list(server.writes)

    await second.round()

    assert second.context is not context
    assert server.writes == written


async def test_a_bundle_that_someone_has_overwritten_is_written_again():
    server, clock = ApiServer(), Clock()
    rotation = replica(server, clock)
    await rotation.round()
    webhooks = server.objects[NAMES.configuration_path]["webhooks"]
    server.put(NAMES.configuration_path, {"webhooks": [{**webhooks[0], "clientConfig": {}}, webhooks[1]]})

    await rotation.round()

    assert server.bundles == [server.secret["ca.crt"]] * 2


async def test_a_conflict_is_tried_again_and_not_for_ever():
    server, clock = ApiServer(), Clock()
    rotation = replica(server, clock)

    server.refusals = [Conflict("modified")] * (TRIES - 1)
    await rotation.round()
    server.put(NAMES.secret_path, {})
    server.refusals = [Conflict("modified")] * TRIES

    with pytest.raises(Conflict):
        await rotation.round()


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (Forbidden("cannot patch"), "apply manifests/components/admission"),
        (NotFound("no such secret"), "apply manifests/components/admission"),
        (Unauthorized("token"), "tried again: token"),
    ],
)
async def test_a_failure_is_logged_once_with_its_cure_and_tried_again(caplog, error, words):
    server, clock = ApiServer(), Clock(rounds=3)
    began = clock.wall
    server.refusals = [error] * 2
    logger.propagate = True

    with caplog.at_level("INFO"), pytest.raises(EndOfTest):
        await replica(server, clock).run()

    problems = [record.fields["problem"] for record in caplog.records if record.getMessage() == "problem"]
    assert len(problems) == 1 and words in problems[0]
    assert server.secret and server.tokens_read == (2 if isinstance(error, Unauthorized) else 0)
    messages = [record.getMessage() for record in caplog.records]
    assert messages.count("solved") == messages.count("admission certificate in use") == 1
    assert "admission certificate made" in messages
    assert clock.wall == began + 3 * ROUND_S


@pytest.mark.parametrize("data", [{"tls.crt": "!"}, {"tls.crt": "bm9uc2Vuc2U="}, {"ca.crt": "", "tls.key": "AAAA"}])
async def test_a_secret_with_nonsense_is_replaced(data):
    server, clock = ApiServer(), Clock()
    server.put(NAMES.secret_path, {"data": data})

    rotation = replica(server, clock)
    await rotation.round()

    assert rotation.ready.is_set()
    assert server.bundles == [server.secret["ca.crt"]] * 2
