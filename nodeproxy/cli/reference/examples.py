"""The example of each policy: a folder of Kubernetes YAML, `docs/policies/examples`, which a wheel carries as well."""

from pathlib import Path

HERE = Path(__file__).parent
PACKAGED = HERE / "example_files"
IN_REPOSITORY = HERE.parents[2] / "docs" / "policies" / "examples"


def example(policy: str) -> str:
    """The text of a policy's example; "" where there is none."""
    for folder in (PACKAGED, IN_REPOSITORY):
        path = folder / f"{policy}.yaml"
        if path.is_file():
            return path.read_text()
    return ""
