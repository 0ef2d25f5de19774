"""The scope that a key of a policy map means, in the mesh-wide map's notation.

Scopes are `_default` (the mesh), `_default.<namespace>` and `<service>.<namespace>`.
"""

import re

from discovery.kubernetes.objects import Ref
from discovery.problem import shown
from nodeproxy.policies.table import PolicyRefused

MESH_SCOPE = "_default"

_LABEL = r"[a-z0-9][-a-z0-9]{0,62}"
_MESH_KEY = re.compile(rf"_default|_default\.{_LABEL}|{_LABEL}\.{_LABEL}", re.ASCII)
_OWN_KEY = re.compile(rf"(_default|{_LABEL})(?:\.({_LABEL}))?", re.ASCII)


def scopes_of(service_key: str) -> tuple[str, str, str]:
    """The scopes that a service is in, the widest first."""
    namespace, _, name = service_key.partition("/")
    return MESH_SCOPE, namespace_scope(namespace), f"{name}.{namespace}"


def namespace_scope(namespace: str) -> str:
    """The scope of all services of a namespace."""
    return f"{MESH_SCOPE}.{namespace}"


def mesh_scope(key: str) -> str:
    """The scope that `key` means in the mesh-wide map.

    Raises:
        PolicyRefused: a key of another form.
    """
    if _MESH_KEY.fullmatch(key) is None:
        message = f"expected _default, _default.<namespace> or <service>.<namespace> as key, got {shown(key)}"
        raise PolicyRefused((message,))
    return key


def own_scope(key: str, namespace: str, mesh_map: Ref) -> str:
    """The scope that `key` means in a policy map of `namespace`.

    Raises:
        PolicyRefused: a key of another form, or for services of another namespace.
    """
    found = _OWN_KEY.fullmatch(key)
    if found is None:
        raise PolicyRefused((f"expected _default or the name of a service of {namespace} as key, got {shown(key)}",))
    name, other = found.groups()
    if other not in (None, namespace):
        message = (
            f"a policy map of namespace {namespace} is for services of {namespace} alone; write {name} if that is "
            f"meant, else move the table to a policy map of {other} or to {mesh_map}"
        )
        raise PolicyRefused((message,))
    return f"{name}.{namespace}"
