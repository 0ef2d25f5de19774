"""Pods, and the Nodes they run on."""

import msgspec

from discovery.kubernetes.objects import Metadata, Object


class Node(Object, frozen=True, kw_only=True):
    """A Node, v1; its labels have its zone."""


class OwnerReference(msgspec.Struct, frozen=True):
    """One of `metadata.ownerReferences`."""

    kind: str
    name: str
    controller: bool = False


class PodMetadata(Metadata, frozen=True, rename="camel"):
    """`metadata` of a Pod."""

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
    """A Pod, v1: its labels make it an endpoint of a subset, its address a caller."""

    metadata: PodMetadata
    spec: PodSpec = PodSpec()
    status: PodStatus = PodStatus()
