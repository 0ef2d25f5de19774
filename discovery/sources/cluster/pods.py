"""The callers: the pods of this node by their addresses.

Addresses are reused: a pod that has ended is ignored, and of two with the same address the newer counts.
"""

import re
from collections.abc import Iterable

import msgspec

from discovery.kubernetes.objects import Object
from discovery.sources.cluster.watch import Resource
from nodeproxy.mesh.model import Caller

NODE = "node"  # the workload of pods on the host network, and of the host's own processes: they share its address
_ENDED = ("Succeeded", "Failed")
_OF_CRON_JOB = re.compile(r"(.+)-\d{8,}")  # the name of a CronJob's Job ends with the minutes since 1970


class OwnerReference(msgspec.Struct, frozen=True):
    """One of `metadata.ownerReferences`."""

    kind: str
    name: str
    controller: bool = False


class PodMetadata(msgspec.Struct, frozen=True, rename="camel"):
    """`metadata` of a Pod."""

    name: str
    namespace: str = "default"
    labels: dict[str, str] | None = None
    owner_references: list[OwnerReference] | None = None


class PodSpec(msgspec.Struct, frozen=True, rename="camel"):
    """`spec` of a Pod."""

    host_network: bool = False


class Address(msgspec.Struct, frozen=True):
    """One of `status.podIPs`."""

    ip: str


class PodStatus(msgspec.Struct, frozen=True, rename="camel"):
    """`status` of a Pod."""

    phase: str = ""
    pod_ips: list[Address] | None = msgspec.field(name="podIPs", default=None)
    start_time: str = ""


class Pod(Object, frozen=True, kw_only=True):
    """A Pod, v1."""

    metadata: PodMetadata  # type: ignore[assignment]  # has more fields than other objects'
    spec: PodSpec = PodSpec()
    status: PodStatus = PodStatus()


def pods_of(node: str) -> Resource:
    """The pods of this node."""
    selector = {"fieldSelector": f"spec.nodeName={node}"}
    return Resource("Pod", "/api/v1/pods", Pod, selector, required=False, why="the workloads of caller addresses")


def callers_of(pods: Iterable[Object]) -> tuple[Caller, ...]:
    """The callers, sorted by address."""
    found: dict[str, Caller] = {}
    for pod in sorted((pod for pod in pods if isinstance(pod, Pod)), key=_age):
        if pod.status.phase in _ENDED:
            continue
        for each in pod.status.pod_ips or ():
            if pod.spec.host_network:
                found[each.ip] = Caller(each.ip, "", NODE)
            else:
                found[each.ip] = Caller(each.ip, pod.metadata.namespace, workload_of(pod))
    return tuple(caller for _, caller in sorted(found.items()))


def workload_of(pod: Pod) -> str:
    """The pod's workload: the name of its Deployment, StatefulSet, DaemonSet, CronJob …, else its own."""
    owner = next((owner for owner in pod.metadata.owner_references or () if owner.controller), None)
    if owner is None:
        return pod.metadata.name
    template = (pod.metadata.labels or {}).get("pod-template-hash")
    if owner.kind == "ReplicaSet" and template:
        return owner.name.removesuffix(f"-{template}")
    if owner.kind == "Job" and (made := _OF_CRON_JOB.fullmatch(owner.name)):
        return made[1]
    return owner.name


def _age(pod: Pod) -> tuple[str, str]:
    return pod.status.start_time, pod.metadata.name  # RFC 3339 in UTC sorts as text
