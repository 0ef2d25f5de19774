"""The example of each policy: a folder of Kubernetes YAML, `docs/policies/examples`, which a wheel carries as well."""

from pathlib import Path
from typing import Any

import yaml

HERE = Path(__file__).parent
PACKAGED = HERE / "example_files"
KEYS = ("web", "web.shop")  # in a policy map of the namespace shop, and in the mesh-wide one
IN_REPOSITORY = HERE.parents[2] / "docs" / "policies" / "examples"


def example(policy: str) -> str:
    """The text of a policy's example; "" where there is none."""
    for folder in (PACKAGED, IN_REPOSITORY):
        path = folder / f"{policy}.yaml"
        if path.is_file():
            return path.read_text()
    return ""


def example_table(policy: str) -> dict[str, Any]:
    """The policy table of the example, which is for the service `web` in the namespace `shop`; empty without one."""
    documents = yaml.safe_load_all(example(policy) or "{}")
    texts = [text for each in documents for key, text in each.get("data", {}).items() if key in KEYS]
    return yaml.safe_load(texts[0]) if texts else {}
