"""What a node uses of kubernetes-asyncio: configuration and authentication.

The packages of that library import every generated class of the API, 850 modules that take 30 MiB of a node's memory
and a second of its start, and two HTTP clients, 9 MiB. Here they are found but not run, until someone asks them for a
name that is not loaded.
"""

import sys
from importlib import import_module
from importlib.util import find_spec, module_from_spec

_CLIENT = "kubernetes_asyncio.client"
_UNRUN = ("kubernetes_asyncio", _CLIENT, f"{_CLIENT}.models", "kubernetes_asyncio.config", "urllib3")


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


for _name in _UNRUN:
    if _name not in sys.modules:
        _leave_unrun(_name)

from kubernetes_asyncio.client.configuration import Configuration  # noqa: E402

# where the library's own modules import it from
sys.modules[_CLIENT].Configuration = Configuration  # type: ignore[attr-defined]

from kubernetes_asyncio.config.config_exception import ConfigException  # noqa: E402
from kubernetes_asyncio.config.incluster_config import load_incluster_config  # noqa: E402

__all__ = ["ConfigException", "Configuration", "load_incluster_config", "load_kube_config"]


async def load_kube_config(file: str, configuration: Configuration) -> None:
    """Set `configuration` to the current context of a kubeconfig. The file is not changed.

    Raises:
        ConfigException: it is not a kubeconfig, or names what is missing.
    """
    # Here, because it comes with the library's HTTP client, and a pod has an account instead.
    from kubernetes_asyncio.client.api_client import ApiClient

    sys.modules[_CLIENT].ApiClient = ApiClient  # type: ignore[attr-defined]
    from kubernetes_asyncio.config import kube_config

    await kube_config.load_kube_config(file, client_configuration=configuration, persist_config=False)
