"""The table in force: what an update changes, and what it leaves alone."""

import pytest
from msgspec import structs

from nodeproxy.errors import NotReady
from nodeproxy.mesh.model import Endpoint, Port
from nodeproxy.mesh.wire import Drop, Fresh, Put, Replace
from nodeproxy.policies.table import PolicyRefused
from tests.fakes.tables import Mesh, bare_live, other, web

ONE, OTHER = Endpoint("10.0.0.1", 8080), Endpoint("10.0.0.2", 8080)


def test_before_the_first_update_no_name_can_be_known_or_unknown():
    mesh = Mesh()

    with pytest.raises(NotReady, match="check that discovery runs"):
        mesh.match(b"web.shop.mesh")

    assert not mesh.live.ready and mesh.live.confirmed_at is None and mesh.names() == []


def test_a_replace_is_the_whole_mesh():
    mesh = Mesh(Replace((web(), other("old"))), Replace((web(), other("new"))))

    assert mesh.live.ready
    assert mesh.names() == ["shop/new:80", "shop/web:80"]


def test_a_put_adds_or_changes_one_service():
    mesh = Mesh(Replace((web(),)), Put(other("new")), Put(web(ports=(Port(81), Port(82)))))

    assert mesh.names() == ["shop/new:80", "shop/web:81", "shop/web:82"]


def test_a_drop_removes_one_service_and_an_unknown_one_none():
    mesh = Mesh(Replace((web(), other("old"))), Drop("shop/old"), Drop("shop/never"))

    assert mesh.names() == ["shop/web:80"]


def test_the_probed_routes_are_those_of_the_table_in_force():
    probed, plain = web(policies={"healthCheck": {}}), web()

    def names(mesh):
        return [route.name for route in mesh.live.table.probed]

    mesh = Mesh(Replace((probed, other("never"))))
    assert names(mesh) == ["shop/web:80"]
    mesh.live.install(Put(plain))
    assert names(mesh) == []
    mesh.live.install(Put(web(ports=(Port(81), Port(82)), policies={"healthCheck": {}})))
    assert names(mesh) == ["shop/web:81", "shop/web:82"]
    mesh.live.install(Drop("shop/web"))
    assert names(mesh) == []
    mesh.live.install(Put(probed))
    mesh.live.install(Replace((other("never"),)))
    assert names(mesh) == []


def test_a_fresh_confirms_the_table_that_is_there():
    mesh = Mesh(Replace((web(),)))
    table = mesh.live.table

    mesh.world.now += 5
    mesh.live.install(Fresh())

    assert mesh.live.table is table
    assert mesh.live.confirmed_at == mesh.world.now


@pytest.mark.parametrize("update", [Replace((web(ONE),)), Put(web(ONE)), Put(other("new")), Drop("shop/old")])
def test_a_route_that_has_not_changed_is_the_very_same_object(update):
    mesh = Mesh(Replace((web(ONE), other("old"))))
    route = mesh.match(b"web.shop.mesh")

    mesh.live.install(update)

    assert mesh.match(b"web.shop.mesh") is route
    assert mesh.made.count("shop/web:80") == 1


def test_a_new_port_leaves_the_others_alone():
    mesh = Mesh(Replace((web(ports=(Port(80),)),)))
    route = mesh.match(b"web.shop.mesh:80")

    mesh.live.install(Put(web(ports=(Port(80), Port(81)))))

    assert mesh.match(b"web.shop.mesh:80") is route


@pytest.mark.parametrize("changed", [web(ONE, OTHER), web(), web(ONE, policies={"timeouts": {"request": "1s"}})])
def test_a_changed_route_keeps_its_numbers(changed):
    mesh = Mesh(Replace((web(ONE),)))
    before = mesh.match(b"web.shop.mesh")

    mesh.live.install(Put(changed))

    after = mesh.match(b"web.shop.mesh")
    assert after is not before and after.stats is before.stats
    assert after.service == changed


@pytest.mark.parametrize("change", [{"virtual_address": "127.77.0.9"}, {"affinity_s": 30.0}, {"only_local": True}])
def test_a_route_follows_what_changes_of_its_service_besides_ports_and_policies(change):
    mesh = Mesh(Replace((web(ONE),)))
    before, changed = mesh.match(b"web.shop.mesh"), structs.replace(web(ONE), **change)

    mesh.live.install(Put(changed))

    assert mesh.match(b"web.shop.mesh").service == changed
    assert mesh.match(b"web.shop.mesh").stats is before.stats


def test_a_service_that_went_and_came_back_counts_anew():
    mesh = Mesh(Replace((web(),)))
    before = mesh.match(b"web.shop.mesh")

    mesh.live.install(Drop("shop/web"))
    mesh.live.install(Put(web()))

    assert mesh.match(b"web.shop.mesh").stats is not before.stats


@pytest.mark.parametrize("update", [Replace, Put])
def test_an_update_with_a_wrong_policy_changes_nothing(update):
    mesh = Mesh(Replace((web(),)))
    table, wrong = mesh.live.table, web(policies={"retries": {"attempts": "many"}})
    mesh.world.now += 5

    with pytest.raises(PolicyRefused):
        mesh.live.install(Replace((other("new"), wrong)) if update is Replace else Put(wrong))

    assert mesh.live.table is table
    assert mesh.live.confirmed_at == mesh.world.now - 5
    assert mesh.names() == ["shop/web:80"] and mesh.installed == ["shop/web:80"] and not mesh.removed


def test_a_table_that_was_kept_on_disk_is_as_old_as_it_says():
    live, clock = bare_live(), 1000.0

    live.install(Replace((), age_s=60.0))
    assert live.ready and live.confirmed_at == clock - 60

    live.install(Fresh())
    assert live.confirmed_at == clock


def test_endpoints_that_come_and_go_leave_the_handler_alone():
    mesh = Mesh(Replace((web(ONE),)))
    before = mesh.match(b"web.shop.mesh")

    mesh.live.install(Put(web(ONE, OTHER)))

    assert mesh.match(b"web.shop.mesh").handler is before.handler
    assert mesh.made == ["shop/web:80"] and mesh.installed == ["shop/web:80"] * 2


def test_an_update_of_one_service_installs_that_one_alone():
    mesh = Mesh(Replace((web(ONE), *(other(f"s{number}") for number in range(50)))))
    mesh.installed.clear()

    mesh.live.install(Put(web(OTHER)))
    mesh.live.install(Drop("shop/s7"))

    assert mesh.installed == ["shop/web:80"] and mesh.removed == ["shop/s7:80"]


def test_what_a_replace_does_not_change_is_not_installed_again():
    mesh = Mesh(Replace((web(ONE), other("old"), other("same"))))
    mesh.installed.clear()

    mesh.live.install(Replace((web(OTHER), other("same"), other("new"))))

    assert mesh.installed == ["shop/web:80", "shop/new:80"] and mesh.removed == ["shop/old:80"]


def test_a_port_that_goes_is_removed():
    mesh = Mesh(Replace((web(ports=(Port(80), Port(81))),)))

    mesh.live.install(Put(web(ports=(Port(80),))))

    assert mesh.removed == ["shop/web:81"]
