"""The page on a real cluster of two nodes: forwarded by the API server to each node, and the view of both."""

import json
import os
from pathlib import Path

from tests.cluster.control_plane import ADMIN
from tests.cluster.mesh import MANIFESTS
from tests.fakes.node import until
from tests.system.test_page import asked, forwarding


def page(mesh, node, target):
    account = ("--kubeconfig", str(mesh.nodes.plane.kubeconfig(ADMIN)))
    with forwarding("--node", node, *account) as (local, said):
        status, body = asked(local, target)
    return status, json.loads(body) if status == 200 else body.decode(), said


def test_the_page_of_each_node_is_a_local_port(mesh):
    for name in mesh.nodes.nodes:
        status, found, said = page(mesh, name, "/api/node")

        assert (status, found["node"], found["workers"][0]["connected"]) == (200, name, True), said


def test_the_files_of_the_page_are_in_the_image(mesh):
    account = ("--kubeconfig", str(mesh.nodes.plane.kubeconfig(ADMIN)))
    with forwarding("--node", "n1", *account) as (local, _):
        status, body = asked(local, "/")

    assert status == 200 and b"<html" in body


def test_the_view_of_the_cluster_is_opt_in_and_has_every_node(mesh, tmp_path):
    off, told, _ = page(mesh, "n1", "/api/cluster")
    overlay(mesh, tmp_path, "components", MANIFESTS / "components" / "page-cluster")

    try:
        until(lambda: names(mesh) == {"n1": True, "n2": True}, "both nodes in the view")
    finally:
        overlay(mesh, tmp_path)

    assert off == 404 and "manifests/components/page-cluster" in told


def names(mesh):
    status, found, _ = page(mesh, "n1", "/api/cluster")
    return {each["name"]: each["reachable"] for each in found["nodes"]} if status == 200 else {}


def overlay(mesh, folder: Path, *more):
    """The mesh's manifests in force, with a component."""
    text = f"resources: [{os.path.relpath(MANIFESTS, folder.resolve())}]\n"
    if more:
        text += f"{more[0]}: [{os.path.relpath(more[1], folder.resolve())}]\n"
    (folder / "kustomization.yaml").write_text(text)
    mesh.kubectl("apply", f"--kustomize={folder}")
    mesh.kubectl("-n", "nodeproxy", "rollout", "restart", "daemonset/nodeproxy")
    mesh.kubectl("-n", "nodeproxy", "rollout", "status", "daemonset/nodeproxy")
