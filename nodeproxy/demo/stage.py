"""What every step of the tour has: the mesh, its endpoints, its files, and how it prints."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from rich.console import Console
from rich.table import Table

from nodeproxy.demo.counters import Counters
from nodeproxy.demo.mesh import Mesh
from nodeproxy.demo.services import Endpoint
from nodeproxy.demo.shop import Shop


@dataclass(frozen=True, slots=True)
class Stage:
    """One running tour."""

    console: Console
    mesh: Mesh
    endpoints: Mapping[str, Endpoint]
    shop: Shop
    page: str = ""
    """The URL of the node's page for browsers, "" if it serves none."""

    def say(self, text: str) -> None:
        """Prints a line as it is, however long."""
        self.console.print(text, markup=False, highlight=False, soft_wrap=True)

    def table(self, table: Table) -> None:
        """Prints a table."""
        self.console.print(table)

    def run(self, *words: str, grep: str = "") -> None:
        """Runs a command against the mesh, and prints it with its output, or with the lines that have a word."""
        self.say(f"$ nodeproxy {' '.join(words)}{f' | grep {grep}' if grep else ''}")
        lines = self.mesh.answer(*words).strip("\n").splitlines()
        self.say("".join(f"  {line.rstrip()}\n" for line in lines if grep in line))

    def see(self, view: str, *commands: str) -> None:
        """Prints commands that the user may run while the tour runs, and the view of the page that shows the same."""
        own = (*commands, f"{self.page}#/{view}") if self.page else commands
        for number, each in enumerate(own):
            self.say(f"{'' if number else 'See it yourself:':18}{each}")

    def after(self, before: Counters, service: str, count: int) -> Counters:
        """The node's counters once they have so many more requests of a service."""
        name, until = "nodeproxy_requests_total", count + before.total("nodeproxy_requests_total", service=service)
        return self.mesh.counters(lambda now: now.total(name, service=service) >= until)

    def counted(self, before: Counters, after: Counters, wanted: Sequence[tuple[str, dict[str, str]]]) -> None:
        """Prints how much each of these counters of /metrics has grown."""
        self.say("the node's /metrics count:")
        for name, labels in wanted:
            series = ", ".join(f'{label}="{value}"' for label, value in labels.items())
            self.say(f"  {after.total(name, **labels) - before.total(name, **labels):>5}  {name}{{{series}}}")
