"""Pod labels that choose a subset of a service's endpoints, as one text that both packages agree on."""

from collections.abc import Mapping


def selector_text(labels: Mapping[str, str]) -> str:
    """`labels` as one text, the same for every order of theirs: `tier=web,version=v2`. "" for none."""
    return ",".join(f"{name}={value}" for name, value in sorted(labels.items()))
