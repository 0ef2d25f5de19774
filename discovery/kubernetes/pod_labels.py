"""Whether a pod has some labels: by the labels that a folder has, or by what an API server was asked for."""

from discovery.kubernetes.objects import Object
from discovery.kubernetes.pods import Pod


class SelectedPod(Object, frozen=True, kw_only=True):
    """A Pod of an API server: of the selectors that it was asked for, see `mesh.selectors`, those that it matches."""

    selectors: tuple[str, ...] = ()


def matches(pod: Pod | SelectedPod, selector: str) -> bool:
    """Whether the pod has all labels of this selector."""
    if isinstance(pod, SelectedPod):
        return selector in pod.selectors
    labels = pod.metadata.labels or {}
    pairs = (pair.partition("=") for pair in selector.split(","))
    return all(labels.get(name) == value for name, _, value in pairs)
