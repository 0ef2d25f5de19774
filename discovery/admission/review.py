"""Reviews a policy ConfigMap: an AdmissionReview (admission.k8s.io/v1) as bytes, in and out. Pure.

The verdict is reached by the code that reaches it on every node, on this map alone. It refuses only what every node
would refuse of it. How an own map of a namespace fits the tables of other maps is only known on the nodes: a table that
does not fit within its own map is a warning there. It does not compare with the object before: a map that was bad
already is refused too, until all of it is good.
"""

from typing import NamedTuple

import msgspec

from discovery.kubernetes.changes import PutObject
from discovery.kubernetes.config_maps import POLICY_LABEL, ConfigMap, VersionedMetadata
from discovery.kubernetes.objects import Ref
from discovery.policies.layers import PolicyLayers
from discovery.policies.maps import PolicyMaps
from discovery.policies.table import Validate
from discovery.problem import NOWHERE, Problem, sentence_of, shown
from nodeproxy.policies.table import settings_of

VERSION = "admission.k8s.io/v1"
PROBLEMS_MOST = 20  # named in a refusal; `nodeproxy check` has all
WARNINGS_MOST = 10  # the API server cuts them beyond 4 KiB
REVIEWED = ("CREATE", "UPDATE")
INVALID = 422  # as for an object whose own fields are invalid


class NotAReview(ValueError):
    """The bytes are not an AdmissionReview of a ConfigMap. The text says why."""


class _Metadata(msgspec.Struct, rename="camel"):
    name: str | None = None
    generate_name: str | None = None
    labels: dict[str, str] | None = None


class _Object(msgspec.Struct, rename="camel"):
    metadata: _Metadata
    data: dict[str, str] | None = None


class _Request(msgspec.Struct, rename="camel"):
    uid: str
    operation: str
    namespace: str = ""
    object: _Object | None = None


class _Review(msgspec.Struct, rename="camel"):
    api_version: str
    kind: str
    request: _Request


class Opinion(NamedTuple):
    """What is refused of a map, and what is worth a word although the map is allowed; empty where all is good."""

    refused: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()


_decoder = msgspec.json.Decoder(_Review)


def reviewed(body: bytes, mesh_map: Ref, validate: Validate = settings_of) -> bytes:
    """The answer to the review in `body`. `mesh_map` is the mesh-wide policy map; `validate` knows the policies.

    Raises:
        NotAReview: `body` is none of this version.
    """
    try:
        review = _decoder.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise NotAReview(f"not an AdmissionReview of a ConfigMap: {error}") from error
    if (review.api_version, review.kind) != (VERSION, "AdmissionReview"):
        raise NotAReview(f"expected an AdmissionReview of {VERSION}, got {shown(review.kind)} of {review.api_version}")
    request = review.request
    opinion = Opinion()
    if request.object is not None and request.operation in REVIEWED:
        opinion = opinion_on(_config_map(request.namespace, request.object), mesh_map, validate)
    answer = {"apiVersion": VERSION, "kind": "AdmissionReview", "response": _response(request.uid, opinion)}
    return msgspec.json.encode(answer)


def opinion_on(found: ConfigMap, mesh_map: Ref, validate: Validate = settings_of) -> Opinion:
    """The opinion on a ConfigMap, whether it is a policy map or not."""
    ref = Ref("ConfigMap", found.metadata.namespace or "default", found.metadata.name)
    if ref != mesh_map and not found.rules_its_namespace:
        return Opinion((), _not_a_policy_map(found))
    change = PutObject(ref, found, NOWHERE)
    layers = PolicyLayers(mesh_map, validate)
    layers.apply(change)
    problems = tuple(layers.problems)
    certain = problems
    if ref != mesh_map:  # the mesh-wide map may have what makes its tables fit together
        maps = PolicyMaps(mesh_map, validate)
        maps.apply(change)
        tables = maps.tables_of(ref)
        certain = tables.problems if tables is not None else ()
    refused = [each for each in certain if each.severity == "error"]
    return Opinion(_words(refused), _words([each for each in problems if each not in refused]))


def _config_map(namespace: str, found: _Object) -> ConfigMap:
    # of `generateName` the API server may make the name after the review
    name = found.metadata.name or f"{found.metadata.generate_name or ''}generated"
    metadata = VersionedMetadata(name=name, namespace=namespace or "default", labels=found.metadata.labels)
    return ConfigMap(metadata=metadata, data=found.data)


def _not_a_policy_map(found: ConfigMap) -> tuple[str, ...]:
    value = (found.metadata.labels or {}).get(POLICY_LABEL)
    if value is None:
        return ()
    return (f'{POLICY_LABEL}: expected "true", got {shown(value)}; this ConfigMap is not a policy map',)


def _words(problems: list[Problem]) -> tuple[str, ...]:
    """The problems in the words of the events and log lines of the nodes; the request has the map's name."""
    return tuple(sentence_of(each) for each in problems)


def _response(uid: str, opinion: Opinion) -> dict[str, object]:
    response: dict[str, object] = {"uid": uid, "allowed": not opinion.refused}
    if opinion.refused:
        response["status"] = {"code": INVALID, "reason": "Invalid", "message": _message(opinion.refused)}
    if opinion.warnings:
        response["warnings"] = opinion.warnings[:WARNINGS_MOST]
    return response


def _message(refused: tuple[str, ...]) -> str:
    if len(refused) == 1:
        return refused[0]
    named = [*refused[:PROBLEMS_MOST]]
    if len(refused) > PROBLEMS_MOST:
        named.append(f"and {len(refused) - PROBLEMS_MOST} more")
    return "\n".join((f"{len(refused)} problems", *(f"  {each}" for each in named)))
