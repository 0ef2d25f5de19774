"""Where a value is said to be written is where it is really from, however many tables are merged."""

from functools import reduce

from hypothesis import assume, given
from hypothesis.strategies import composite, lists, sampled_from
from yaml import safe_dump

from discovery.kubernetes.objects import Ref
from discovery.observe.explain import DEFAULT, policies_in_force
from discovery.policies.layers import Written
from nodeproxy.policies.merge import merged
from nodeproxy.policies.table import PolicyRefused

PROTOCOLS = ("http", "http2", "tls", "tcp", "detect")
SCOPES = ("_default", "_default.shop", "_default.shop", "reviews.shop", "reviews.shop")


def values(number):
    """What the layer of this number may write: each value has the number in it, and no other layer writes it."""
    return {
        "retries": {
            "attempts": 3 + number,
            "codes": [500 + number],
            "backoff": {"base": f"{1 + number}ms", "max": f"{900 + number}ms"},
            "rateLimitedBackoff": {"maxInterval": f"{30 + number}s"},
        },
        "timeouts": {"request": f"{20 + number}s"},
        "protocol": {"ports": dict.fromkeys(("80", "81"), PROTOCOLS[number])},
        "split": {"targets": [{"service": f"v{number}", "weight": 1 + number}]},
    }


@composite
def parts(draw, whole):
    """Some of a mapping's keys, each null, whole, or in parts; the list of a split may be bare."""
    found = {}
    for key, value in whole.items():
        choice = draw(sampled_from(("absent", "null", "whole", "parts")))
        if choice == "null":
            found[key] = None
        elif choice == "parts" and isinstance(value, dict):
            found[key] = draw(parts(value))
        elif choice != "absent":
            found[key] = value["targets"] if key == "split" and draw(sampled_from((True, False))) else value
    return found


@composite
def layers(draw):
    chosen = draw(lists(sampled_from(range(len(SCOPES))), unique=True).map(sorted))
    return [(number, draw(parts(values(number)))) for number in chosen]


def number_in(policy, value):
    """The number of the layer that alone writes this value in this policy, None for a default."""
    for number in range(len(SCOPES)):
        if value in inner(values(number).get(policy, {})):
            return number
    return None


def inner(value):
    """All values in a mapping, those of mappings in it included."""
    for each in value.values():
        if isinstance(each, dict):
            yield from inner(each)
        else:
            yield each


def as_written(field, value):
    if field.startswith("targets"):
        return [{"service": each["service"], "weight": each["weight"]} for each in value]
    return value


@given(layers())
def test_every_value_is_said_to_be_from_the_layer_that_it_is_from(found):
    written = [
        Written(Ref("ConfigMap", "shop", f"map-{number}"), "key", SCOPES[number], table, safe_dump(table))
        for number, table in found
    ]
    table = reduce(merged, (each.table for each in written), {})
    try:
        views = policies_in_force(table, written)
    except PolicyRefused:  # a split without targets
        assume(False)

    for view in views:
        for each in view.fields:
            number = number_in(view.name, as_written(each.field, each.value))
            expected = DEFAULT if number is None else f"ConfigMap shop/map-{number}"
            assert (each.field, each.origin) == (each.field, expected)
            if number is not None:
                text = next(one.text for one in written if one.ref.name == f"map-{number}")
                key = view.name if each.field == "targets" and "targets" not in text else each.field.split(".")[-1]
                assert key.split('"')[-2 if '"' in key else 0] in text.splitlines()[each.line - 1]
