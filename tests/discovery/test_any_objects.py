"""Generated objects: every document is in force or refused, and the mesh can be published."""

from hypothesis import given, settings
from hypothesis.strategies import (
    booleans,
    dictionaries,
    floats,
    integers,
    lists,
    none,
    one_of,
    recursive,
    sampled_from,
    text,
)

from discovery.kubernetes.changes import PutObject
from discovery.services.catalogue import POLICY_MAP, Catalogue, Scope
from discovery.sources.folder.file_text import FileText, read_text
from discovery.sources.source import Batch
from nodeproxy.mesh.wire import Replace, line, parse
from tests.discovery.kube import file_of, policy_map, service, slice_of

WORDS = ["metadata", "name", "namespace", "labels", "spec", "ports", "port", "protocol", "clusterIP", "type", "items"]
WORDS += ["endpoints", "addresses", "conditions", "ready", "addressType", "appProtocol", "data", "reviews.shop"]
ODDITIES = [*WORDS, "10.0.0.1", "fd00::1", "IPv4", "TCP", "UDP", "ExternalName", "None", "retries: {attempts: 3}"]
SCALARS = one_of(
    none(), booleans(), integers(), floats(allow_nan=False, allow_infinity=False), text(max_size=5),
    sampled_from(ODDITIES),
)  # fmt: skip
VALUES = recursive(
    SCALARS, lambda inner: one_of(lists(inner, max_size=3), dictionaries(sampled_from(WORDS), inner, max_size=4))
)
GOOD = [service(), slice_of(), policy_map(_default="retries: {attempts: 3}")]


def spoilt(good, path, value):
    """`good` with `value` put where `path` leads, as far as it leads."""
    if not path or not isinstance(good, dict | list) or not good:
        return value
    if isinstance(good, list):
        return [*good[1:], spoilt(good[0], path[1:], value)]
    key = path[0] if isinstance(path[0], str) else sorted(good)[path[0] % len(good)]
    return {**good, key: spoilt(good.get(key), path[1:], value)}


PATHS = lists(one_of(sampled_from(WORDS), integers(0, 10)), max_size=5)


@settings(max_examples=300)
@given(good=sampled_from(GOOD), path=PATHS, value=VALUES, suffix=sampled_from([".yaml", ".json"]))
def test_a_spoilt_object_is_in_force_or_refused(good, path, value, suffix):
    text = file_of(spoilt(good, path, value))

    found = read_text(f"any{suffix}", text, FileText(), POLICY_MAP)

    catalogue = Catalogue(Scope())
    catalogue.apply(Batch(tuple(PutObject(ref, *each) for ref, each in found.objects.items()), found.problems))
    assert all(str(problem).isprintable() for problem in catalogue.problems())
    services = tuple(catalogue.services.values())
    assert parse(line(Replace(services))) == Replace(services)
