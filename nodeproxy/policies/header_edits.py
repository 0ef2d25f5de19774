"""Changes of header fields that settings ask for, made ready to be applied."""

from collections.abc import Callable

from nodeproxy.policies.route_rules import FieldEdits
from nodeproxy.protocol.fields import Fields


def edits(written: FieldEdits) -> Callable[[Fields], None] | None:
    """Applies the changes of `written`, in the order remove, set, add; None if there are none."""
    removed = tuple(name.encode() for name in written.remove)
    set_ = tuple((name.encode(), value.encode()) for name, value in written.set.items())
    added = tuple((name.encode(), value.encode()) for name, value in written.add.items())
    if not (removed or set_ or added):
        return None

    def apply(fields: Fields) -> None:
        for name in removed:
            fields.remove(name)
        for name, value in set_:
            fields.set(name, value)
        for name, value in added:
            fields.add(name, value)

    return apply
