"""A tree like the repository, with one module of the hot lane and empty twins: built by the same files in seconds."""

import shutil
from pathlib import Path

ROOT = Path(__file__).parents[2]
TWINS = ("nodeproxy/protocol/http1/twin.c", "nodeproxy/protocol/http2/twin.c", "nodeproxy/io/twin.c")
TWIN = """#include <Python.h>
static struct PyModuleDef module = {PyModuleDef_HEAD_INIT, "twin", NULL, -1, NULL};
PyMODINIT_FUNC PyInit_twin(void) { return PyModule_Create(&module); }
"""
SUMS = "def twice(number: int) -> int:\n    return 2 * number\n"
MISTAKE = 'def twice(number: int) -> int:\n    return "twice"\n'
_OF_THE_BUILD = ("build_compiled.py", "build_hook.py", "pyproject.toml", "README.md", "LICENSE", ".gitignore")


def write(root, modules):
    """Write these sources, by their paths below `root`, each in packages."""
    for name, source in modules.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(source)
        for folder in path.parents:
            if folder == root or path.suffix != ".py":
                break
            (folder / "__init__.py").touch()
    return root


def small_tree(root, sums=SUMS, twin=TWIN):
    """The tree, in the folder `root`; its hot lane is `nodeproxy.io.sums`."""
    write(root, {"nodeproxy/io/sums.py": sums, "nodeproxy/cli/shown.py": "", "discovery/seen.py": ""})
    write(root, dict.fromkeys(TWINS, twin) | {"docs/policies/examples/retries.yaml": "retries: {}\n"})
    for name in _OF_THE_BUILD:
        shutil.copy(ROOT / name, root / name)
    return root
