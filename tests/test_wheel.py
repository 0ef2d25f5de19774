"""What `build_hook.py` puts into a wheel and beside the sources: hatchling builds a small tree."""

import os
import re
import shutil
import subprocess
import sys
import zipfile

import pytest

from tests.fakes.small_tree import MISTAKE, TWINS, small_tree

EXAMPLE = "nodeproxy/cli/reference/example_files/retries.yaml"
LANE = {"nodeproxy/io/sums.so", "nodeproxy__mypyc.so"}
BESIDE = {name.replace(".c", ".so") for name in TWINS}
needs_a_compiler = pytest.mark.skipif(not shutil.which("cc"), reason="there is no C compiler")


def plain(name):
    """The name of a file, without what Python adds to that of a library."""
    return re.sub(r"\.cpython-[^.]*\.so$", ".so", str(name))


def libraries(root):
    return {plain(path.relative_to(root)) for path in root.rglob("*.so") if path.relative_to(root).parts[0] != "dist"}


def built(root, target="wheel", **environment):
    """The name of the wheel that is built of the tree, what is in it, and what was told."""
    done = subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "--target", target], cwd=root, env={**os.environ, **environment},
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    (wheel,) = (root / "dist").glob("*.whl")
    with zipfile.ZipFile(wheel) as file:
        names = {plain(name) for name in file.namelist() if ".dist-info/" not in name}
    return wheel.name, names, done.stdout + done.stderr


@needs_a_compiler
def test_a_wheel_has_the_twins_the_hot_lane_and_the_examples(tmp_path):
    root = small_tree(tmp_path)

    name, within, told = built(root)

    assert {EXAMPLE, "nodeproxy/io/sums.py", "discovery/seen.py"} | LANE | BESIDE <= within
    assert not name.endswith("-none-any.whl") and "not compiled" not in told
    assert {each for each in libraries(root) if each.startswith("nodeproxy")} == BESIDE  # the sources still run


@needs_a_compiler
def test_an_editable_install_has_the_twins_alone_beside_their_sources(tmp_path):
    root = small_tree(tmp_path, sums=MISTAKE)

    _, within, told = built(root, "wheel:editable")

    assert within == {"_nodeproxy.pth"}
    assert libraries(root) == BESIDE and "not compiled" not in told


@needs_a_compiler
def test_a_hot_lane_that_does_not_compile_is_left_out_and_told(tmp_path):
    root = small_tree(tmp_path, sums=MISTAKE)

    name, within, told = built(root)

    assert not LANE & within and {EXAMPLE, "nodeproxy/io/sums.py"} | BESIDE <= within
    assert not name.endswith("-none-any.whl")
    assert "the hot lane is not compiled, and runs as Python" in told


def test_without_a_c_compiler_a_wheel_is_of_python_alone_and_says_so(tmp_path):
    root = small_tree(tmp_path)

    name, within, told = built(root, CC="/nonexistent/cc")

    assert name.endswith("-py3-none-any.whl")
    assert {EXAMPLE, "nodeproxy/io/sums.py"} <= within and not [each for each in within if each.endswith(".so")]
    assert "no compiled twins, heads will be read in Python" in told


@needs_a_compiler
def test_a_warning_of_the_c_compiler_is_an_error(tmp_path):
    root = small_tree(tmp_path, twin="static int unused(void) { return 1; }\n")

    name, within, told = built(root)

    assert not [each for each in within if each.endswith(".so")]
    assert name.endswith("-py3-none-any.whl") and "no compiled twins" in told


@needs_a_compiler
def test_twins_are_compiled_anew_for_a_change_that_only_a_header_has(tmp_path):
    root = small_tree(tmp_path, sums=MISTAKE)
    built(root, "wheel:editable")
    (library, *_) = root.rglob("nodeproxy/io/twin.*.so")
    library.write_bytes(b"of an older header")

    built(root, "wheel:editable")

    assert library.read_bytes() != b"of an older header"
