"""A node in front of real servers that speak no HTTP, each at a mesh address of its own."""

from contextlib import contextmanager

from tests.fakes.bare_services import bare_service, free_place
from tests.fakes.node import Node, policy, until
from tests.fakes.programs import listens


def sum_of(page, name, **labels):
    """The sum of a metric's values that have these labels, among others, on a page of metrics; None without any."""
    shown = [f'{label}="{value}"' for label, value in labels.items()]
    lines = [line for line in page.splitlines() if line.startswith(f"{name}{{") and all(each in line for each in shown)]
    return sum(float(line.rpartition(" ")[2]) for line in lines) if lines else None


class BareMesh:
    """A running node; `policies` are tables by service."""

    def __init__(self, folder, node):
        self.node = node
        self._folder = folder

    def serve(self, name, *ports):
        """The mesh address of a new service in the namespace shop, once the node listens at its TCP ports."""
        place = free_place()
        (self._folder / f"{name}.yaml").write_text(bare_service(name, place, *ports))
        for each in ports:
            if each.transport == "TCP":
                until(lambda number=each.number: listens(number, place.address), f"a listener of {name}")
        return place.address

    def sample(self, name, **labels):
        """See `sum_of`."""
        return sum_of(self.node.metrics(), name, **labels)


@contextmanager
def bare_mesh(folder, *flags, **policies):
    """A node with these policy tables, by service of the namespace shop."""
    folder.mkdir()
    (folder / "policy.yaml").write_text(policy(**{f"{name}__shop": table for name, table in policies.items()}))
    with Node(folder, *flags) as node:
        yield BareMesh(folder, node)
