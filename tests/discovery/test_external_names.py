"""ExternalName services behind the source: when names are resolved, and how the answers are used."""

from contextlib import asynccontextmanager
from ipaddress import ip_address

import anyio
import pytest
from anyio.lowlevel import checkpoint

from discovery.problem import Problem
from discovery.services.catalogue import Catalogue, Scope
from discovery.sources.external.names import (
    FIRST_ANSWERS_S,
    LOOKUPS_MOST,
    LOOKUPS_OF_NAMESPACE,
    ExternalNames,
    Found,
    NotFound,
)
from discovery.sources.source import Batch, Followed, Unfollowed
from tests.discovery.kube import delete, put, service

pytestmark = pytest.mark.anyio

TURNS = 50  # of the event loop: far more than anything here needs


def bank(name="bank.example", ports=None, **spec):
    return service("shop/bank", type="ExternalName", externalName=name, clusterIP="", ports=ports or [], **spec)


class Desk:
    """A source that the test feeds, a DNS that it scripts, a clock that it turns; and the catalogue behind them."""

    def __init__(self, on_demand=False):
        self.catalogue = Catalogue(Scope(on_demand=on_demand))
        self.batches = []
        self.answers = {}
        self.asked = []
        self.sleeping = []
        self.names = ExternalNames(self, self.look_up, self.refusal, self.sleep, on_demand=on_demand)

    async def run(self, take):
        self.take = take
        await anyio.sleep_forever()

    async def look_up(self, name):
        self.asked.append(name)
        await checkpoint()
        answer = self.answers.get(name)
        while answer is None:  # no answer, until the test sends one
            await checkpoint()
            answer = self.answers.get(name)
        if isinstance(answer, str):
            raise NotFound(answer)
        return Found(tuple(map(ip_address, answer[0])), answer[1])

    def refusal(self, address):
        return "it is a loopback address" if address.is_loopback else ""

    async def sleep(self, seconds):
        over = anyio.Event()
        self.sleeping.append((seconds, over))
        await over.wait()

    async def wake(self, seconds):
        """Ends the sleeps of this length."""
        for each in [each for each in self.sleeping if each[0] == seconds]:
            self.sleeping.remove(each)
            each[1].set()
        await self.settle()

    async def settle(self):
        for _ in range(TURNS):
            await checkpoint()

    async def feed(self, *changes, **fields):
        self.take(Batch(changes, **fields))
        await self.settle()

    def taken(self, batch):
        self.batches.append(batch)
        self.catalogue.apply(batch)

    @property
    def addresses(self):
        found = self.catalogue.services["shop/bank"]
        return [f"{each.address}:{each.port}" for port in found.ports for each in port.endpoints]

    @property
    def problems(self):
        return [problem.message for problem in self.catalogue.problems()]


@asynccontextmanager
async def desk(**fields):
    found = Desk(**fields)
    with anyio.fail_after(60):
        async with anyio.create_task_group() as group:
            group.start_soon(found.names.run, found.taken)
            await found.settle()
            yield found
            group.cancel_scope.cancel()


async def test_the_addresses_of_a_name_are_the_endpoints_of_its_service():
    async with desk() as here:
        here.answers["bank.example"] = (["192.0.2.1", "192.0.2.2"], 30)

        await here.feed(put(bank()))

        assert here.addresses == ["192.0.2.1:80", "192.0.2.2:80"]
        assert here.problems == []


async def test_endpoints_listen_on_the_ports_of_the_service():
    async with desk() as here:
        here.answers["bank.example"] = (["192.0.2.1"], 30)

        await here.feed(put(bank(ports=[{"name": "http", "port": 8080}, {"name": "tcp", "port": 5432}])))
        first = here.addresses
        await here.feed(put(bank(ports=[{"name": "http", "port": 8081}])))

        assert first == ["192.0.2.1:8080", "192.0.2.1:5432"]
        assert here.addresses == ["192.0.2.1:8081"]
        assert here.asked == ["bank.example"]


async def test_ipv6_serves_where_there_is_no_ipv4():
    async with desk() as here:
        here.answers["bank.example"] = (["2001:db8::1"], 30)

        await here.feed(put(bank()))

        assert here.addresses == ["2001:db8::1:80"]


@pytest.mark.parametrize(("ttl_s", "waited_s"), [(0, 1.0), (30, 30), (86400, 300.0)])
async def test_a_name_is_asked_for_again_when_its_ttl_is_over_within_bounds(ttl_s, waited_s):
    async with desk() as here:
        here.answers["bank.example"] = (["192.0.2.1"], ttl_s)
        await here.feed(put(bank()))

        here.answers["bank.example"] = (["192.0.2.9"], ttl_s)
        before = here.addresses
        await here.wake(waited_s)

        assert before == ["192.0.2.1:80"]
        assert here.addresses == ["192.0.2.9:80"]


async def test_a_failure_leaves_the_last_good_addresses_and_is_reported_and_retried_ever_more_slowly():
    async with desk() as here:
        here.answers["bank.example"] = (["192.0.2.1"], 30)
        await here.feed(put(bank()))
        here.answers["bank.example"] = "there is no such name"
        await here.wake(30)
        problems = here.problems
        for wait_s in (5.0, 10.0, 20.0, 40.0, 60.0):
            await here.wake(wait_s)
        addresses = here.addresses
        here.answers["bank.example"] = (["192.0.2.2"], 30)
        await here.wake(60.0)

        assert problems == ["bank.example: there is no such name; the last good addresses stay in force"]
        assert addresses == ["192.0.2.1:80"]
        assert here.problems == [] and here.addresses == ["192.0.2.2:80"]


async def test_a_name_that_never_led_anywhere_is_a_service_without_endpoints():
    async with desk() as here:
        here.answers["bank.example"] = "there is no such name"

        await here.feed(put(bank()))

        assert here.addresses == []
        assert here.problems == ["bank.example: there is no such name"]


async def test_addresses_that_may_not_be_called_are_left_out_and_said():
    async with desk() as here:
        here.answers["bank.example"] = (["127.0.0.1", "192.0.2.1"], 30)
        await here.feed(put(bank()))
        some = here.addresses
        here.answers["bank.example"] = (["127.0.0.1"], 30)
        await here.wake(30)

        assert some == ["192.0.2.1:80"]
        assert here.addresses == ["192.0.2.1:80"]
        assert here.problems == ["bank.example: 127.0.0.1 is not called: it is a loopback address"]


async def test_another_name_is_asked_for_at_once_and_the_first_one_no_more():
    async with desk() as here:
        here.answers = {"bank.example": (["192.0.2.1"], 30), "other.example": (["192.0.2.2"], 40)}
        await here.feed(put(bank()))

        await here.feed(put(bank("other.example")))
        await here.wake(30)

        assert here.addresses == ["192.0.2.2:80"]
        assert here.asked == ["bank.example", "other.example"]


async def test_a_service_that_goes_or_is_an_alias_no_more_is_not_asked_for_any_more():
    async with desk() as here:
        here.answers["bank.example"] = (["192.0.2.1"], 30)
        for change in (put(service("shop/bank")), delete(bank())):
            await here.feed(put(bank()))
            await here.feed(change)
            await here.wake(30)

        assert here.asked == ["bank.example"] * 2
        assert here.catalogue.services == {}
        assert here.catalogue.store.slices_of("shop/bank") == []


async def test_what_the_source_says_of_itself_goes_on_beside_the_names_problems():
    async with desk() as here:
        here.answers["bank.example"] = "there is no such name"
        await here.feed(put(bank()))

        await here.feed(problems=(Problem("is unwell"),), in_sync=False)
        await here.wake(5.0)

        assert here.problems == ["is unwell", "bank.example: there is no such name"]
        assert [batch.in_sync for batch in here.batches][-2:] == [False, False]


async def test_the_first_mesh_waits_for_its_names_so_that_no_worker_loses_endpoints():
    async with desk() as here:
        await here.feed(put(bank()), put(service()))
        before = list(here.batches)
        here.answers["bank.example"] = (["192.0.2.1"], 30)
        await here.settle()

        assert before == []
        assert len(here.batches) == 1 and here.addresses == ["192.0.2.1:80"]


async def test_the_first_mesh_does_not_wait_for_ever():
    async with desk() as here:
        await here.feed(put(bank()))
        await here.wake(FIRST_ANSWERS_S)
        early = here.addresses
        here.answers["bank.example"] = (["192.0.2.1"], 30)
        await here.settle()

        assert early == []
        assert here.addresses == ["192.0.2.1:80"]


async def test_hundreds_of_names_are_asked_for_a_few_at_a_time_and_all_in_the_end():
    async with desk() as here:
        aliases = [
            service(f"s{number}/bank", type="ExternalName", externalName=f"bank-{number}.example", clusterIP="")
            for number in range(100)
        ]
        await here.feed(*map(put, aliases))
        at_once = len(here.asked)
        here.answers = {f"bank-{number}.example": (["192.0.2.1"], 30) for number in range(100)}
        while len(here.asked) < 100:
            await here.settle()
        await here.settle()

        assert at_once == LOOKUPS_MOST
        assert all(each.ports[0].endpoints for each in here.catalogue.services.values())


async def test_a_namespace_full_of_unanswered_names_delays_no_other():
    async with desk() as here:
        here.answers["bank.example"] = (["192.0.2.1"], 30)
        silent = [
            service(f"other/bank-{number}", type="ExternalName", externalName=f"bank-{number}.example", clusterIP="")
            for number in range(10 * LOOKUPS_MOST)
        ]

        await here.feed(*map(put, silent))
        await here.feed(put(bank()))
        await here.wake(FIRST_ANSWERS_S)

        assert here.addresses == ["192.0.2.1:80"]
        assert len(here.asked) == LOOKUPS_OF_NAMESPACE + 1


async def test_on_demand_a_name_is_asked_for_while_its_service_is_followed():
    async with desk(on_demand=True) as here:
        await here.feed(put(bank()))
        asleep = here.catalogue.services["shop/bank"].unsubscribed, list(here.asked)
        await here.feed(Followed("shop/bank"))
        asked = here.catalogue.services["shop/bank"].unsubscribed, list(here.asked)
        here.answers["bank.example"] = (["192.0.2.1"], 30)
        await here.settle()
        awake = here.catalogue.services["shop/bank"].unsubscribed, here.addresses
        await here.feed(Unfollowed("shop/bank"))
        await here.wake(30)

        assert asleep == (True, []) and asked == (True, ["bank.example"])
        assert awake == (False, ["192.0.2.1:80"])
        assert here.catalogue.services["shop/bank"].unsubscribed and here.asked == ["bank.example"]


async def test_on_demand_a_service_that_is_an_alias_no_more_does_not_wait_for_its_name():
    async with desk(on_demand=True) as here:
        await here.feed(put(bank()))
        await here.feed(Followed("shop/bank"))

        await here.feed(put(service("shop/bank")))

        assert not here.catalogue.services["shop/bank"].unsubscribed
