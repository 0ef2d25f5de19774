import json
import os

import pytest
from yaml import safe_dump

from discovery.kubernetes.changes import DeleteObject, PutObject
from discovery.kubernetes.documents import SIZE_LIMIT_BYTES
from discovery.kubernetes.objects import Ref
from discovery.services.catalogue import POLICY_MAP
from discovery.sources.folder.folder import Folder
from nodeproxy.mesh.model import Caller
from nodeproxy.mesh.wire import Callers
from tests.discovery.kube import endpoint, file_of, own_policy_map, policy_map, service, slice_of

REVIEWS = Ref("Service", "shop", "reviews")
RATINGS = Ref("Service", "shop", "ratings")
BAD = {**service(), "spec": {"ports": [{"name": "http", "port": "eighty"}]}}


@pytest.fixture
def folder(tmp_path):
    return Folder(tmp_path, POLICY_MAP)


def refs(batch):
    return [change.ref for change in batch.changes]


def problems(batch):
    return [str(problem) for problem in batch.problems]


def test_every_object_of_every_file_is_fed_with_its_place(folder, tmp_path):
    (tmp_path / "a.yaml").write_bytes(file_of(service(), service("shop/ratings")))
    (tmp_path / "b.json").write_bytes(file_of(slice_of()))
    (tmp_path / "c.yml").write_bytes(file_of(policy_map()))

    batch = folder.read()

    assert batch.in_sync
    assert batch.problems == ()
    assert [(change.ref.kind, change.origin[:2]) for change in batch.changes] == [
        ("Service", ("a.yaml", 1)),
        ("Service", ("a.yaml", 2)),
        ("EndpointSlice", ("b.json", 1)),
        ("ConfigMap", ("c.yml", 1)),
    ]


def test_files_of_other_kinds_of_names_are_left_alone(folder, tmp_path):
    (tmp_path / "shop.yaml").write_bytes(file_of(service()))
    for name in (".shop.yaml.swp", ".#shop.yaml", "shop.yaml~", "README.md", ".hidden.yaml"):
        (tmp_path / name).write_bytes(b"{")

    assert problems(folder.read()) == []


def test_other_kinds_of_objects_are_none_of_our_business(folder, tmp_path):
    deployment = {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": 5}}
    knative = {"apiVersion": "serving.knative.dev/v1", "kind": "Service", "metadata": {"name": "x"}, "spec": 5}
    settings = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "x"}, "data": {"a": 5}}
    pods = {"apiVersion": "v1", "kind": "PodList", "items": [{"metadata": 5}]}
    (tmp_path / "shop.yaml").write_bytes(file_of(deployment, knative, settings, pods))

    batch = folder.read()

    assert (batch.changes, batch.problems, batch.in_sync) == ((), (), True)


def test_pods_with_addresses_are_callers_until_they_go(folder, tmp_path):
    metadata = {"name": "cart-1", "namespace": "shop"}
    pod = {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "status": {"podIPs": [{"ip": "127.0.0.21"}]}}
    (tmp_path / "services.yaml").write_bytes(file_of(service()))
    (tmp_path / "pods.yaml").write_bytes(file_of(pod))
    first, again = folder.read(), folder.read()
    (tmp_path / "pods.yaml").unlink()

    assert first.snapshots == (Callers((Caller("127.0.0.21", "shop", "cart-1"),)),)
    assert again.snapshots == ()
    assert folder.read().snapshots == (Callers(()),)


def test_a_config_map_counts_as_long_as_it_has_the_label_of_policy_maps(folder, tmp_path):
    (tmp_path / "shop.yaml").write_bytes(file_of(own_policy_map(reviews="")))
    first = folder.read()
    (tmp_path / "shop.yaml").write_bytes(file_of(own_policy_map(label="false", reviews="")))
    then = folder.read()

    own = Ref("ConfigMap", "shop", "policies")
    assert (refs(first), then.changes) == ([own], (DeleteObject(own),))
    assert first.problems == then.problems == ()


def test_a_label_that_is_no_text_is_refused_as_an_api_server_would_and_the_last_good_map_stays(folder, tmp_path):
    (tmp_path / "shop.yaml").write_bytes(file_of(own_policy_map(reviews="")))
    folder.read()

    (tmp_path / "shop.yaml").write_bytes(file_of(own_policy_map(label=True, reviews="timeouts: {}")))
    batch = folder.read()

    assert batch.changes == ()
    assert 'metadata.labels["mesh.nodeproxy.dev/policy"]: expected str, got True' in problems(batch)[0]


def test_what_has_not_changed_is_not_fed_again(folder, tmp_path):
    (tmp_path / "shop.yaml").write_bytes(file_of(service()))
    folder.read()

    (tmp_path / "shop.yaml").write_bytes(file_of(service()) + b"\n# seen\n")

    assert folder.read().changes == ()


def test_a_removed_file_takes_its_objects_with_it(folder, tmp_path):
    (tmp_path / "a.yaml").write_bytes(file_of(service()))
    (tmp_path / "b.yaml").write_bytes(file_of(service("shop/ratings")))
    folder.read()

    (tmp_path / "b.yaml").unlink()

    assert folder.read().changes == (DeleteObject(RATINGS),)


def test_an_object_that_leaves_its_file_is_gone(folder, tmp_path):
    (tmp_path / "a.yaml").write_bytes(file_of(service(), service("shop/ratings")))
    folder.read()

    (tmp_path / "a.yaml").write_bytes(file_of(service("shop/ratings")))

    assert DeleteObject(REVIEWS) in folder.read().changes


def test_a_list_is_its_items_and_a_typed_list_need_not_repeat_itself(folder, tmp_path):
    bare = {key: value for key, value in service("shop/ratings").items() if key in ("metadata", "spec")}
    (tmp_path / "a.json").write_bytes(file_of({"apiVersion": "v1", "kind": "List", "items": [service(), slice_of()]}))
    (tmp_path / "b.json").write_bytes(file_of({"apiVersion": "v1", "kind": "ServiceList", "items": [bare]}))
    (tmp_path / "c.json").write_bytes(file_of({"apiVersion": "v1", "kind": "List", "items": None}))

    batch = folder.read()

    assert problems(batch) == []
    assert [ref.name for ref in refs(batch)] == ["reviews", "reviews-1", "ratings"]


def test_an_item_of_a_list_is_named_by_its_place(folder, tmp_path):
    (tmp_path / "shop.json").write_bytes(file_of({"apiVersion": "v1", "kind": "List", "items": [slice_of(), BAD]}))

    assert problems(folder.read()) == [
        "shop.json: document 1 (Service shop/reviews): items[1].spec.ports[0].port: expected int, got 'eighty'"
    ]


def test_a_problem_names_file_document_object_field_value_and_line(folder, tmp_path):
    (tmp_path / "shop.yaml").write_text("---\n".join(safe_dump(each) for each in (slice_of(), BAD)))

    (problem,) = folder.read().problems

    assert str(problem).startswith(
        "shop.yaml: document 2 (Service shop/reviews): spec.ports[0].port: expected int, got 'eighty' (line "
    )
    assert (tmp_path / "shop.yaml").read_text().splitlines()[problem.line - 1].strip() == "port: eighty"


def test_a_missing_field_has_the_line_of_what_should_hold_it(folder, tmp_path):
    value = {**service(), "spec": {"ports": [{"name": "http"}]}}
    (tmp_path / "shop.yaml").write_text(safe_dump(value))

    (problem,) = folder.read().problems

    assert (tmp_path / "shop.yaml").read_text().splitlines()[problem.line - 1].strip() == "- name: http"


def test_a_bad_object_leaves_its_last_good_version_and_harms_no_other(folder, tmp_path):
    (tmp_path / "shop.yaml").write_bytes(file_of(service(), service("shop/ratings")))
    folder.read()

    (tmp_path / "shop.yaml").write_bytes(file_of(BAD, service("shop/ratings", clusterIP="10.96.0.77")))
    batch = folder.read()

    assert refs(batch) == [RATINGS]
    assert len(batch.problems) == 1


def test_a_file_that_is_no_yaml_leaves_everything_it_said(folder, tmp_path):
    (tmp_path / "shop.yaml").write_bytes(file_of(service(), slice_of()))
    (tmp_path / "more.yaml").write_bytes(file_of(service("shop/ratings")))
    folder.read()

    (tmp_path / "shop.yaml").write_bytes(file_of(service(clusterIP="10.96.0.77"), slice_of())[:-3])
    (tmp_path / "more.yaml").write_bytes(file_of(service("shop/ratings", clusterIP="10.96.0.78")))
    batch = folder.read()

    assert refs(batch) == [RATINGS]
    assert "shop.yaml: document 2: not YAML: " in problems(batch)[0]


def test_a_file_cut_down_to_nothing_leaves_everything_it_said(folder, tmp_path):
    (tmp_path / "shop.yaml").write_bytes(file_of(service()))
    folder.read()

    (tmp_path / "shop.yaml").write_bytes(b"\n")
    batch = folder.read()

    assert batch.changes == ()
    assert problems(batch)[0].startswith("shop.yaml: is empty")


@pytest.mark.parametrize(
    "value",
    [
        "apiV",
        {"apiVersion": "v1"},
        {"apiVersion": "v1", "kind": 5},
        {"apiVersion": "v1", "kind": "Service"},
        {"apiVersion": "v1", "kind": "Service", "metadata": {"name": ""}},
        {"apiVersion": "v1", "kind": "List", "items": "none"},
        {"apiVersion": "v1", "kind": "List", "items": [5]},
    ],
)
def test_while_a_document_has_no_identity_no_object_of_its_file_is_removed(folder, tmp_path, value):
    (tmp_path / "shop.yaml").write_bytes(file_of(service(), service("shop/ratings")))
    folder.read()

    (tmp_path / "shop.yaml").write_bytes(file_of(value, service("shop/ratings", clusterIP="10.96.0.77")))
    batch = folder.read()

    assert refs(batch) == [RATINGS]
    assert len(batch.problems) == 1


def test_the_file_that_sorts_first_wins_an_object_that_two_have(folder, tmp_path):
    (tmp_path / "b.yaml").write_bytes(file_of(service(clusterIP="10.96.0.2")))
    (tmp_path / "a.yaml").write_bytes(file_of(slice_of(), service(clusterIP="10.96.0.1")))

    batch = folder.read()

    assert [change.object.spec.cluster_ip for change in batch.changes if change.ref == REVIEWS] == ["10.96.0.1"]
    assert problems(batch) == [
        "b.yaml: document 1 (Service shop/reviews): is also in a.yaml, document 2, which sorts first and is in "
        "force; remove one"
    ]


def test_the_other_file_takes_over_when_the_first_is_gone(folder, tmp_path):
    (tmp_path / "a.yaml").write_bytes(file_of(service(clusterIP="10.96.0.1")))
    (tmp_path / "b.yaml").write_bytes(file_of(service(clusterIP="10.96.0.2")))
    folder.read()

    (tmp_path / "a.yaml").unlink()
    batch = folder.read()

    assert [type(change) for change in batch.changes] == [PutObject]
    assert batch.changes[0].object.spec.cluster_ip == "10.96.0.2"
    assert batch.problems == ()


def test_the_document_that_stands_first_wins_an_object_that_two_have(folder, tmp_path):
    (tmp_path / "a.yaml").write_bytes(file_of(service(clusterIP="10.96.0.1"), service(clusterIP="10.96.0.2")))

    batch = folder.read()

    assert batch.changes[0].object.spec.cluster_ip == "10.96.0.1"
    assert "document 2 (Service shop/reviews): is also in document 1" in problems(batch)[0]


def test_a_folder_that_vanishes_keeps_the_last_good_and_says_so(tmp_path):
    path = tmp_path / "mesh"
    path.mkdir()
    (path / "shop.yaml").write_bytes(file_of(service()))
    folder = Folder(path, POLICY_MAP)
    folder.read()

    path.rename(tmp_path / "away")
    batch = folder.read()

    assert (batch.changes, batch.in_sync) == ((), False)
    assert "cannot be read: No such file or directory" in problems(batch)[0]
    assert problems(batch)[0].endswith("the last good objects stay in force")
    assert folder.signature() == ()


def test_a_folder_without_files_keeps_the_last_good_and_says_so(folder, tmp_path):
    (tmp_path / "shop.yaml").write_bytes(file_of(service()))
    folder.read()

    (tmp_path / "shop.yaml").unlink()
    batch = folder.read()

    assert (batch.changes, batch.in_sync) == ((), False)
    assert "holds no file that ends in .yaml, .yml, .json" in problems(batch)[0]


def test_a_folder_of_which_nothing_was_ever_read_is_not_in_sync(folder, tmp_path):
    (tmp_path / "shop.yaml").write_bytes(b"{")

    assert not folder.read().in_sync


def test_hostile_files_are_problems_and_the_rest_is_in_force(folder, tmp_path):
    (tmp_path / "good.yaml").write_bytes(file_of(service()))
    (tmp_path / "deep.yaml").write_bytes(b"[" * 1_000_000)
    (tmp_path / "deep.json").write_bytes(b"[" * 1_000_000)
    (tmp_path / "garbage.yaml").write_bytes(os.urandom(4096))
    (tmp_path / "huge.yaml").write_bytes(b"#" * (SIZE_LIMIT_BYTES + 1))
    (tmp_path / "link.yaml").symlink_to("nowhere")
    (tmp_path / "directory.yaml").mkdir()
    os.mkfifo(tmp_path / "pipe.yaml")

    batch = folder.read()

    assert refs(batch) == [REVIEWS]
    assert sorted(problem.origin.file for problem in batch.problems) == [
        "deep.json",
        "deep.yaml",
        "directory.yaml",
        "garbage.yaml",
        "huge.yaml",
        "link.yaml",
        "pipe.yaml",
    ]


def test_a_file_that_cannot_be_read_leaves_what_it_said(folder, tmp_path):
    (tmp_path / "shop.yaml").write_bytes(file_of(service()))
    folder.read()

    (tmp_path / "shop.yaml").write_bytes(b"#" * (SIZE_LIMIT_BYTES + 1))
    batch = folder.read()

    assert batch.changes == ()
    assert "larger than 16777216 bytes; split it; its last good objects stay in force" in problems(batch)[0]


def test_a_name_that_a_terminal_would_act_on_is_escaped(folder, tmp_path):
    (tmp_path / "a\x1b[31m\nb.yaml").write_bytes(b"{")
    value = {**BAD, "metadata": {"name": "x\ny", "namespace": "\x1b[2J"}}
    (tmp_path / "c.yaml").write_bytes(file_of(value))

    assert all(problem.isprintable() for problem in problems(folder.read()))


def test_a_file_full_of_problems_reports_the_first_hundred(folder, tmp_path):
    endpoints = [endpoint("nowhere") for _ in range(1000)]
    (tmp_path / "shop.yaml").write_text(safe_dump(slice_of("shop/reviews", *endpoints)))

    batch = folder.read()

    assert len(batch.problems) == 100
    assert all(problem.line for problem in batch.problems)


def test_the_signature_changes_with_a_file_and_with_a_link_to_it(folder, tmp_path):
    outside = tmp_path / "outside"
    outside.write_bytes(b"{}")
    (tmp_path / "link.yaml").symlink_to(outside)
    before = folder.signature()

    outside.write_bytes(json.dumps(service()).encode())

    assert folder.signature() != before
