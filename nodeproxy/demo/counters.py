"""The counters of the node's /metrics, as the tour reads them."""

from dataclasses import dataclass

from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.samples import Sample


@dataclass(frozen=True, slots=True)
class Counters:
    """The samples of one metrics page."""

    samples: tuple[Sample, ...]

    def total(self, name: str, **labels: str) -> int:
        """The sum of all series of this name that have these labels."""
        own = (sample for sample in self.samples if sample.name == name)
        return sum(int(sample.value) for sample in own if labels.items() <= sample.labels.items())


def counters_of(page: str) -> Counters:
    """The samples of a page."""
    return Counters(tuple(each for family in text_string_to_metric_families(page) for each in family.samples))
