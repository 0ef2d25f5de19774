"""What a node uses of kubernetes-asyncio: configuration, authentication and the HTTP client.

The packages of that library import every generated class of the API, 850 modules that take 30 MiB of a node's memory
and a second of its start. Here they are found but not run, until someone asks them for a name that is not loaded.
"""

import sys
from importlib import import_module
from importlib.util import find_spec, module_from_spec

_UNRUN = ("kubernetes_asyncio", "kubernetes_asyncio.client", "kubernetes_asyncio.client.models")


def _leave_unrun(name: str) -> None:
    spec = find_spec(name)
    if spec is None or spec.loader is None:
        raise ModuleNotFoundError(f"no module named {name!r}", name=name)
    loader, module = spec.loader, module_from_spec(spec)

    def load(wanted: str) -> object:
        if wanted.startswith("__"):  # asked by the import system itself
            raise AttributeError(f"module {name!r} has no attribute {wanted!r}")
        if find_spec(f"{name}.{wanted}") is not None:
            return import_module(f"{name}.{wanted}")
        del module.__getattr__
        loader.exec_module(module)
        return getattr(module, wanted)

    module.__getattr__ = load  # type: ignore[method-assign]  # PEP 562
    sys.modules[name] = module
    parent, _, child = name.rpartition(".")
    if parent:
        setattr(sys.modules[parent], child, module)


if _UNRUN[0] not in sys.modules:
    for _name in _UNRUN:
        _leave_unrun(_name)

from kubernetes_asyncio.client.api_client import ApiClient  # noqa: E402
from kubernetes_asyncio.client.configuration import Configuration  # noqa: E402

for _class in (ApiClient, Configuration):  # the configuration imports them from the package
    setattr(sys.modules[_UNRUN[1]], _class.__name__, _class)

from kubernetes_asyncio.config import ConfigException, load_incluster_config, load_kube_config  # noqa: E402

__all__ = ["ApiClient", "ConfigException", "Configuration", "load_incluster_config", "load_kube_config"]
