"""Names that are close to one that does not exist, for messages."""

from collections.abc import Iterable


def spelled_alike(name: str, names: Iterable[str], most: int = 1, cutoff: float = 0.6) -> list[str]:
    """Up to `most` of `names`, the closest first; see `difflib.get_close_matches`."""
    from difflib import get_close_matches  # here, because a node without mistakes does without it

    return get_close_matches(name, list(names), most, cutoff)
