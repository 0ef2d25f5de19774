"""`python -m nodeproxy.cli.reference DIR`: writes the generated pages, and removes pages of policies that are gone."""

import sys
from pathlib import Path

from nodeproxy.cli.reference.command import json_schema
from nodeproxy.cli.reference.examples import example
from nodeproxy.cli.reference.fields import described
from nodeproxy.cli.reference.page import GENERATED, page, with_index
from nodeproxy.policies.chain import CHAIN

README, SCHEMA = "README.md", "schema.json"


def generated(readme: str) -> dict[str, str]:
    """The generated files by name; `readme` is the present README, of which only the table is generated."""
    policies = described(CHAIN)
    pages = {f"{policy.name}.md": page(policy, example(policy.name)) for policy in policies}
    return {**pages, SCHEMA: json_schema(""), README: with_index(readme, policies)}


def write(folder: Path) -> None:
    """Write them into `folder`, which has the README."""
    files = generated((folder / README).read_text())
    for path in folder.glob("*.md"):
        if path.name not in files and path.read_text().startswith(GENERATED):
            path.unlink()
    for name, text in files.items():
        (folder / name).write_text(text)


if __name__ == "__main__":
    write(Path(sys.argv[1]))
