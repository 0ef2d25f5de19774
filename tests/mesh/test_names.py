"""Every way a client may write a service's name, and what is none."""

import pytest

from nodeproxy.mesh.names import MeshName, named, parse

REVIEWS = MeshName("shop", "reviews", None)


@pytest.mark.parametrize(
    ("authority", "name"),
    [
        (b"reviews.shop.mesh", REVIEWS),
        (b"reviews.shop.svc.cluster.local", REVIEWS),
        (b"reviews.mesh", MeshName("here", "reviews", None)),
        (b"Reviews.SHOP.Mesh", REVIEWS),
        (b"REVIEWS.SHOP.SVC.CLUSTER.LOCAL", REVIEWS),
        (b"reviews.shop.mesh.", REVIEWS),
        (b"reviews.mesh.", MeshName("here", "reviews", None)),
        (b"reviews.shop.mesh:8080", MeshName("shop", "reviews", 8080)),
        (b"reviews.shop.mesh.:8080", MeshName("shop", "reviews", 8080)),
        (b"reviews.mesh:65535", MeshName("here", "reviews", 65535)),
        (b"reviews.shop.mesh:1", MeshName("shop", "reviews", 1)),
        (b"reviews.shop.mesh:", REVIEWS),  # RFC 3986, 3.2.3: an empty port is the default one
        (b"db-0.db.shop.mesh", MeshName("shop", "db", None, "db-0")),
        (b"DB-0.db.shop.svc.cluster.local:5432", MeshName("shop", "db", 5432, "db-0")),
        (b"1.2.mesh", MeshName("2", "1", None)),  # RFC 1123, 2.1: a label may begin with a digit
        (b"10.0.mesh:80", MeshName("0", "10", 80)),
        (b"10.96.0.mesh", MeshName("0", "96", None, "10")),
        (b"10.mesh", MeshName("here", "10", None)),
        (b"1web.shop.mesh", MeshName("shop", "1web", None)),
        (b"mesh.mesh.mesh", MeshName("mesh", "mesh", None)),
    ],
)
def test_a_service_goes_by_each_of_its_names(authority, name):
    assert parse(authority, "here") == name


@pytest.mark.parametrize("authority", [b"reviews.shop.svc", b"reviews.shop.svc.:80", b"REVIEWS.shop.SVC.Corp.Example"])
def test_a_service_goes_by_the_names_that_its_cluster_has_for_it(authority):
    name = parse(authority, "here", "corp.example")

    assert name is not None and name.key == "shop/reviews"


@pytest.mark.parametrize("authority", [b"reviews.shop.svc.cluster.local", b"reviews.shop.svc.corpXexample"])
def test_another_clusters_names_are_none_of_the_mesh(authority):
    assert parse(authority, "here", "corp.example") is None


@pytest.mark.parametrize(
    "authority",
    [
        b"",
        b"mesh",
        b".mesh",
        b"reviews",
        b"reviews.shop",
        b"reviews.shop.mesh.example",
        b"example.com",
        b"127.0.0.1",
        b"127.0.0.1.mesh",
        b"10.0",
        b"[::1]:80",
        b"reviews.svc.cluster.local",
        b"a.db-0.db.shop.mesh",
        b"reviews..mesh",
        b"reviews.shop.mesh..",
        b"-reviews.shop.mesh",
        b"reviews-.shop.mesh",
        b"re_views.shop.mesh",
        b"reviews.shop.mesh\n",
        b" reviews.shop.mesh",
        b"r\xc3\xa9views.shop.mesh",
        b"\xe2\x84\xaa8s.shop.mesh",  # the Kelvin sign, whose lower case is an ASCII k
    ],
)
def test_what_is_no_name_of_the_mesh_is_none(authority):
    assert parse(authority, "here") is None


@pytest.mark.parametrize(
    "port",
    [
        b"0",
        b"65536",
        b"65537",
        b"99999",
        b"99999999999999999999",
        b"-1",
        b"+80",
        b"8_0",
        b" 80",
        b"80 ",
        b"http",
        b"80:80",
        b"\xd9\xa1",
    ],
)
def test_a_port_is_digits_between_1_and_65535(port):
    assert parse(b"reviews.shop.mesh:" + port, "here") is None


@pytest.mark.parametrize(("length", "fits"), [(1, True), (2, True), (63, True), (64, False)])
@pytest.mark.parametrize("form", ["{}.shop.mesh", "reviews.{}.mesh", "{}.mesh", "{}.reviews.shop.mesh"])
def test_a_label_has_at_most_63_letters(form, length, fits):
    name = parse(form.format("a" * length).encode(), "here")

    assert (name is not None) is fits


def test_the_key_is_namespace_and_name():
    assert MeshName("shop", "reviews", 80, "pod").key == "shop/reviews"


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("reviews.shop", REVIEWS),
        ("shop/reviews", REVIEWS),
        ("Reviews.Shop.mesh", REVIEWS),
        ("reviews.shop.mesh.", REVIEWS),
        ("reviews.shop.svc.cluster.local", REVIEWS),
        ("reviews.shop:80", MeshName("shop", "reviews", 80)),
        ("shop/reviews:80", MeshName("shop", "reviews", 80)),
        ("reviews.mesh", MeshName("mesh", "reviews", None)),
        ("reviews.mesh.mesh", MeshName("mesh", "reviews", None)),
        ("reviews", MeshName("", "reviews", None)),
        ("db-0.db.shop", MeshName("shop", "db", None, "db-0")),
    ],
)
def test_an_operator_names_a_service_in_any_of_these_ways(text, name):
    assert named(text) == name


@pytest.mark.parametrize("text", ["", "/", "shop/", "a/b/c", "re views.shop", "reviews.shop:http", "a.b.c.d", "ä.b"])
def test_what_is_no_name_of_a_service_is_none(text):
    assert named(text) is None


TRAEFIK = ("traefik.mesh", "maesh")


@pytest.mark.parametrize(
    ("authority", "name"),
    [
        (b"reviews.shop.traefik.mesh", REVIEWS),
        (b"Reviews.Shop.TRAEFIK.mesh.", REVIEWS),
        (b"reviews.shop.traefik.mesh:8080", MeshName("shop", "reviews", 8080)),
        (b"reviews.shop.maesh", REVIEWS),
        (b"reviews.shop.maesh.:80", MeshName("shop", "reviews", 80)),
        (b"db-0.db.shop.maesh", MeshName("shop", "db", None, "db-0")),
        (b"db-0.db.shop.traefik.mesh", MeshName("shop", "db", None, "db-0")),
        (b"reviews.traefik.traefik.mesh", MeshName("traefik", "reviews", None)),
        (b"reviews.traefik.mesh", MeshName("traefik", "reviews", None)),  # as without the zone
        (b"traefik.mesh", MeshName("here", "traefik", None)),
        (b"reviews.shop.mesh", REVIEWS),
        (b"reviews.shop.svc.cluster.local", REVIEWS),
    ],
)
def test_a_service_goes_by_its_names_in_further_zones_too(authority, name):
    assert parse(authority, "here", also_zones=TRAEFIK) == name


@pytest.mark.parametrize("authority", [b"reviews.maesh", b"maesh", b"a.b.c.d.maesh", b"reviews.shop.maesh.mesh.x"])
def test_a_name_in_a_further_zone_without_a_namespace_is_none(authority):
    assert parse(authority, "here", also_zones=TRAEFIK) is None


def test_without_the_zone_its_names_keep_their_meaning():
    assert parse(b"reviews.shop.traefik.mesh", "here") == MeshName("traefik", "shop", None, "reviews")
    assert parse(b"reviews.shop.maesh", "here") is None
