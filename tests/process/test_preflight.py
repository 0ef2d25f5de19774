"""What is not there, or cannot be used, is said before anything starts."""

import json

import pytest

from nodeproxy.process.preflight import CannotStart, look_around, policies_of
from nodeproxy.settings import Settings

NOWHERE = "/proc/nowhere"  # where nobody can make anything, root neither
POD = {"KUBERNETES_SERVICE_HOST": "10.96.0.1", "KUBERNETES_SERVICE_PORT": "443"}
KUBECONFIG = {"current-context": "a", "clusters": [{"name": "a"}], "contexts": [{"name": "a"}]}


@pytest.fixture
def place(tmp_path):
    """A folder with everything a node needs."""
    (tmp_path / "mesh").mkdir()
    (tmp_path / "file").write_text("")
    (tmp_path / "account").mkdir()
    for name in ("token", "ca.crt"):
        (tmp_path / "account" / name).write_text("x")
    return tmp_path


def look(place, environment=POD, **changes):
    parts = {"discovery": f"files:{place / 'mesh'}", **changes}
    look_around(Settings(**parts), environment, place / "account")


def refusal(place, environment=POD, **changes):
    with pytest.raises(CannotStart) as caught:
        look(place, environment, **changes)
    assert "\n" not in str(caught.value)
    return str(caught.value).replace(str(place), "")


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("discovery", "files:/none", "discovery: cannot read the folder /none: No such file or directory"),
        ("discovery", "files:/file", "discovery: cannot read the folder /file: Not a directory"),
        ("discovery", "kube:/none", "discovery: cannot read the kubeconfig /none: No such file or directory"),
        ("discovery", "kube:/mesh", "discovery: cannot read the kubeconfig /mesh: Is a directory"),
        ("discovery", "kube:/file", "discovery: /file is not a kubeconfig: it has no clusters or no contexts"),
        ("run_dir", "/file", "run_dir: cannot create a socket in /file: File exists"),
        ("run_dir", "/file/below", "run_dir: cannot create a socket in /file/below: Not a directory"),
        ("run_dir", "/" + "a" * 200, "more than 107; use a shorter path"),
        ("state_file", "/mesh", "state_file: /mesh is a folder; name a file"),
        ("state_file", "/file/state", "state_file: cannot write in /file: File exists"),
        ("state_file", "/file/below/state", "state_file: cannot write in /file/below: Not a directory"),
    ],
)
def test_what_is_not_as_a_setting_says_is_told(place, name, value, words):
    kind, colon, path = value.rpartition(":")

    assert words in refusal(place, **{name: f"{kind}{colon}{place}{path}"})


@pytest.mark.parametrize("changes", [{"run_dir": NOWHERE}, {"state_file": f"{NOWHERE}/state"}])
def test_where_nothing_can_be_written_is_told(place, changes):
    assert "/proc/nowhere: " in refusal(place, **changes)


@pytest.mark.parametrize("name", ["ready", "discovery.sock"])
def test_what_is_in_the_way_is_told(place, name):
    (place / "run" / name).mkdir(parents=True)

    assert f"run_dir: /run/{name} is a folder" in refusal(place, run_dir=str(place / "run"))


def test_without_any_temporary_folder_one_has_to_be_named(place, monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", NOWHERE)

    assert "set run_dir or TMPDIR" in refusal(place)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("a: [", "not YAML"),
        ("- a", "it has no clusters or no contexts"),
        (json.dumps({**KUBECONFIG, "clusters": []}), "it has no clusters or no contexts"),
        (json.dumps({**KUBECONFIG, "current-context": ""}), "has no current-context"),
    ],
)
def test_a_file_that_leads_to_no_cluster_is_told(place, text, words):
    (place / "kubeconfig").write_text(text)

    assert words in refusal(place, discovery=f"kube:{place / 'kubeconfig'}")


def test_the_pods_own_cluster_is_for_pods_that_have_an_account(place):
    outside = refusal(place, {}, discovery="kube:")
    (place / "account" / "token").unlink()
    without = refusal(place, discovery="kube:")

    assert "kube: requires a pod" in outside and "name a kubeconfig" in outside
    assert "no /account/token; the pod needs automountServiceAccountToken" in without


def test_what_can_be_used_is_left_as_it_was_and_what_is_missing_is_made(place):
    (place / "kubeconfig").write_text(json.dumps(KUBECONFIG))
    (place / "run").mkdir()
    (place / "run" / "discovery.sock").write_text("of an earlier life")
    (place / "state").write_text("old")

    look(place, run_dir=str(place / "run"), state_file=str(place / "state"))
    look(place, run_dir=str(place / "new" / "run"), state_file=str(place / "other" / "state"))
    look(place, discovery="kube:")
    look(place, discovery=f"kube:{place / 'kubeconfig'}")

    assert [each.name for each in (place / "run").iterdir()] == ["discovery.sock"]
    assert (place / "state").read_text() == "old"
    assert list((place / "new" / "run").iterdir()) == list((place / "other").iterdir()) == []


def test_a_policy_of_ones_own_that_is_not_installed_is_said_with_the_cure():
    with pytest.raises(
        CannotStart, match=r"^own_policies: absent: no installed package has it \(installed: .*install it"
    ):
        policies_of(Settings(own_policies=("absent",)))

    assert policies_of(Settings()) == ()
