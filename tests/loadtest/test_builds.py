"""The two builds that the benchmark measures: what runs in a process that is given one."""

import os
import shutil
import subprocess
import sys

from loadtest.builds import environment_of, tree_of
from loadtest.toolbox import Toolbox

LANE = "from nodeproxy.mesh.build import lane; import nodeproxy; print(lane(), nodeproxy.__file__)"


def test_the_source_is_a_copy_in_which_nothing_is_compiled_by_mypyc(tmp_path):
    toolbox = Toolbox(tmp_path)

    done = subprocess.run(
        [sys.executable, "-c", LANE], env={**os.environ, **environment_of("source", toolbox)},
        capture_output=True, text=True, check=True,
    )  # fmt: skip

    lane, place = done.stdout.split()
    assert lane in ("c-helpers", "python")
    assert place.startswith(str(tree_of("source", toolbox)))


def test_a_build_is_made_once_for_its_sources(tmp_path):
    toolbox = Toolbox(tmp_path)
    tree = tree_of("source", toolbox)
    (tree / "seen").touch()

    assert tree_of("source", toolbox) == tree and (tree / "seen").exists()
    shutil.rmtree(tree)
    assert not (tree_of("source", toolbox) / "seen").exists()
