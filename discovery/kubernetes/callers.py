"""The callers: pods by their addresses.

Addresses are reused: a pod that has ended is ignored, and of two with the same address the newer counts.
"""

import re
from collections.abc import Iterable

from discovery.kubernetes.objects import Object
from discovery.kubernetes.pods import Pod
from nodeproxy.mesh.model import Caller

NODE = "node"  # the workload of pods on the host network, and of the host's own processes: they share its address
_ENDED = ("Succeeded", "Failed")
_OF_CRON_JOB = re.compile(r"(.+)-\d{8,}")  # the name of a CronJob's Job ends with the minutes since 1970


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
                found[each.ip] = Caller(each.ip, pod.metadata.namespace or "default", workload_of(pod))
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
