"""docs/tutorial-cluster.md on the cluster of two nodes, word for word but for its installation and removal."""

import os
from pathlib import Path

from tests.cluster.control_plane import ADMIN, home
from tests.fakes.page_commands import PageCommands, prints

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "docs" / "tutorial-cluster.md").read_text()
PAGE = PageCommands(TEXT[TEXT.index("\n## 2. ") : TEXT.index("\n## 9. ")])  # the image and the mesh are there already


def test_each_block_prints_what_the_tutorial_shows(mesh, tmp_path):
    environment = {
        "PATH": f"{home()}:{os.environ['PATH']}",
        "KUBECONFIG": str(mesh.nodes.plane.kubeconfig(ADMIN)),
        "TMPDIR": str(tmp_path),
        "HOME": str(tmp_path),  # kubectl has a cache there
    }

    printed = PAGE.run(ROOT, environment)
    mesh.nodes.plane.until(lambda: len(mesh.nodes.pods("web", "shop")) == 4, "the pods of version 2 to go")

    wrong = {command: printed[command] for command, shown in PAGE.shown if not prints(printed[command], shown)}
    assert not wrong, wrong
    assert len(PAGE.shown) == 10
