import pytest

from discovery.policies.key import mesh_scope, own_scope
from discovery.services.catalogue import POLICY_MAP
from nodeproxy.policies.table import PolicyRefused


@pytest.mark.parametrize("key", ["reviews", "reviews.shop.mesh", "_default.", "_Default", "Reviews.shop"])
def test_a_mesh_wide_key_that_names_no_scope_is_refused(key):
    with pytest.raises(PolicyRefused, match=r"expected _default, _default.<namespace> or <service>.<namespace> as key"):
        mesh_scope(key)


@pytest.mark.parametrize(
    ("key", "scope"),
    [
        ("_default", "_default.shop"),
        ("_default.shop", "_default.shop"),
        ("reviews", "reviews.shop"),
        ("reviews.shop", "reviews.shop"),
        ("shop", "shop.shop"),
    ],
)
def test_a_key_of_a_namespace_is_for_its_own_services_with_or_without_its_name(key, scope):
    assert own_scope(key, "shop", POLICY_MAP) == scope


@pytest.mark.parametrize("key", ["reviews.bank", "_default.bank"])
def test_a_key_for_another_namespace_is_refused_with_the_map_it_belongs_to(key):
    name = key.partition(".")[0]

    with pytest.raises(PolicyRefused) as caught:
        own_scope(key, "shop", POLICY_MAP)

    assert str(caught.value) == (
        f"a policy map of namespace shop is for services of shop alone; write {name} if that is meant, else move the "
        "table to a policy map of bank or to ConfigMap nodeproxy/nodeproxy-policy"
    )


@pytest.mark.parametrize("key", ["", "Reviews", "_default.shop.mesh", "_other", ".shop", "reviews.", "a" * 64])
def test_a_key_of_a_namespace_that_names_no_scope_is_refused(key):
    with pytest.raises(PolicyRefused, match="expected _default or the name of a service of shop as key, got "):
        own_scope(key, "shop", POLICY_MAP)
