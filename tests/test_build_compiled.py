"""Which modules are compiled, and when: a tree of one module, by the real compilers."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from build_compiled import ROOMS, SOURCE_ONLY, compile_beside, compile_once, compiled_modules
from tests.fakes.small_tree import MISTAKE, ROOT, SUMS, small_tree, write


def compiled(root):
    return [str(path.relative_to(root)) for path in compiled_modules(root)]


def test_the_modules_of_the_rooms_are_compiled_in_a_fixed_order(tmp_path):
    names = ("io/sums.py", "io/pairs.py", "io/deep/down.py", "balance/turns.py")
    others = ("cli/shown.py", "iodine/salt.py", "policies/chain.py", "telemetry/logs.py")
    root = write(tmp_path, {f"nodeproxy/{name}": SUMS for name in names + others})

    found = compiled(root)

    assert found == [
        f"nodeproxy/{name}" for name in ("balance/turns.py", "io/deep/down.py", "io/pairs.py", "io/sums.py")
    ]


@pytest.mark.parametrize("base", ["BaseModel", "pydantic.BaseModel", "Block", "PolicySettings", "msgspec.Struct"])
def test_a_module_with_a_class_that_a_metaclass_makes_is_left_out(base, tmp_path):
    source = f"class Plain: pass\nclass Limits(Plain, {base}, frozen=True): pass\n"

    assert compiled(write(tmp_path, {"nodeproxy/io/limits.py": source})) == []


def test_other_classes_and_the_use_of_settings_leave_a_module_compiled(tmp_path):
    source = (
        "class Failed(Exception): pass\nclass Limits(NamedTuple):\n  block: Block\ndef of(model: BaseModel): pass\n"
    )

    assert compiled(write(tmp_path, {"nodeproxy/io/limits.py": source})) == ["nodeproxy/io/limits.py"]


def test_each_room_has_something_compiled_and_each_exception_is_of_the_repository():
    rooms = {Path(name).parts[1] for name in compiled(ROOT)}

    assert rooms == set(ROOMS)
    assert [name for name in SOURCE_ONLY if not (ROOT / "nodeproxy" / name).is_file()] == []


@pytest.mark.skipif(not shutil.which("cc"), reason="there is no C compiler")
def test_what_is_compiled_runs_in_the_place_of_its_source(tmp_path):
    root, here = small_tree(tmp_path / "tree"), Path.cwd()

    libraries = compile_beside(root, tmp_path / "work")

    assert Path.cwd() == here
    assert {path.relative_to(root).as_posix().partition(".")[0] for path in libraries} == {
        "nodeproxy/io/sums", "nodeproxy__mypyc",
    }  # fmt: skip
    told = "from nodeproxy.io import sums; print(sums.__file__, sums.twice(21))"
    done = subprocess.run([sys.executable, "-c", told], cwd=root, capture_output=True, text=True, check=True)
    assert done.stdout.split() == [next(str(path) for path in libraries if path.name.startswith("sums")), "42"]


@pytest.mark.skipif(not shutil.which("cc"), reason="there is no C compiler")
def test_a_tree_is_compiled_once_and_again_when_a_source_has_changed(tmp_path):
    root, work = small_tree(tmp_path / "tree"), tmp_path / "work"
    folder = compile_once(root, work)
    (library,) = folder.glob("nodeproxy/io/sums.*.so")
    library.write_bytes(b"seen")

    assert compile_once(root, work) == folder and library.read_bytes() == b"seen"
    assert list(root.glob("nodeproxy/io/sums.*.so")) == []

    (folder / "done").unlink()  # as where that was interrupted
    assert compile_once(root, work) == folder and library.read_bytes() != b"seen"

    (root / "nodeproxy/io/sums.py").write_text(MISTAKE)  # which takes no compiler to be noticed
    for _ in range(2):
        with pytest.raises(SystemExit):
            compile_once(root, work)
    assert Path.cwd() != root
