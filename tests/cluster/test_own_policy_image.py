"""A package of a custom policy in the image, as docs/write-a-policy.md puts it there."""

from tests.cluster import image
from tests.cluster.control_plane import home
from tests.fakes.packages import example, install, made


def test_the_image_with_a_package_knows_its_policy_and_the_one_without_does_not(tmp_path):
    folder = tmp_path / "with-policies"
    folder.mkdir()
    package = made("requireTenant", tmp_path, example("nodeproxy_require_tenant.py"))
    install(folder / "policies", package)
    (folder / "Containerfile").write_text(example("Containerfile"))

    image.build(home().parent, tmp_path / "nodeproxy.tar")
    said = image.output_of(home().parent, folder, "policies", "--json", NODEPROXY_OWN_POLICIES="requireTenant")
    without = image.output_of(home().parent, folder, "policies", "--json")

    assert '"requireTenant"' in said and "Those that may call the service." in said
    assert "requireTenant" not in without
