"""`nodeproxy new-policy`: makes the package of a custom policy, which works at once."""

import re
from keyword import iskeyword
from pathlib import Path
from string import Template
from typing import Annotated

import typer

from nodeproxy.setting_names import POLICY_NAME

PROJECT = Template("""\
[build-system]
requires = ["hatchling"]
build-backend = "hatchling.build"

[project]
name = "$package"
version = "0.1.0"
description = "The policy $name of nodeproxy."
requires-python = ">=3.11"
dependencies = ["nodeproxy$versions"]

[project.entry-points."nodeproxy.policies"]
$name = "$module:POLICY"

[tool.hatch.build]
dev-mode-dirs = ["."]

[tool.hatch.build.targets.wheel]
only-include = ["$module.py"]
""")
POLICY = Template('''\
"""`$name`: says in one sentence what it does; `nodeproxy policies` shows it."""

from typing import Annotated

from nodeproxy.exchange.exchange import Exchange
from nodeproxy.policies.block import Policy, PolicySettings
from nodeproxy.protocol.message import Response
from pydantic import Field


class ${kind}Settings(PolicySettings):
    """What a reader of the reference must know; `nodeproxy policies $name` shows it, and the fields with theirs."""

    value: Annotated[str, Field(pattern="^[!-~]+$$")] = "hello"
    """The value of the field `x-$dashed` of every response."""


def on_response(exchange: Exchange, response: Response, settings: ${kind}Settings) -> None:
    """Called with every response; does not wait."""
    response.fields.set(b"x-$dashed", settings.value.encode())


POLICY = Policy("$name", ${kind}Settings, on_response=on_response)
''')
TEST = Template('''\
"""What the policy $name does to requests and responses."""

import pytest
from nodeproxy.policies.table import PolicyRefused
from nodeproxy.wiring.trial import Trial

from $module import POLICY


def test_a_response_has_the_field():
    trial = Trial(POLICY, {"value": "world"})

    response = trial.request("GET", "/")

    assert response.status == 200
    assert response.fields.get(b"x-$dashed") == b"world"


def test_a_value_that_is_no_field_value_is_refused_where_it_is_written():
    with pytest.raises(PolicyRefused, match="$name.value"):
        Trial(POLICY, {"value": "two\\nlines"})
''')


class CannotMake(Exception):
    """The package cannot be made; the text has the reason and the cure."""


def new_policy(
    name: Annotated[str, typer.Argument(help="Its name in policy tables, such as tenantHeader.")],
    into: Annotated[Path, typer.Option(help="Folder in which the package's folder is made.")] = Path(),
) -> None:
    """Make the package of a custom policy.

    It has a policy that works, its test, and what installs it.
    """
    try:
        folder = make(name, into)
    except CannotMake as error:
        typer.echo(str(error), err=True)
        raise typer.Exit(2) from error
    typer.echo(f"{folder}: install it with `pip install -e {folder}`, test it with `pytest {folder}`,")
    typer.echo(f"and name it in the settings: NODEPROXY_OWN_POLICIES={name}. See docs/write-a-policy.md.")


def make(name: str, into: Path) -> Path:
    """Make the package of the policy `name`; returns its folder.

    Raises:
        CannotMake: the name cannot be one, or is taken; the folder is there already, or cannot be made.
    """
    from importlib.metadata import version  # here, because the import takes time that other commands do not need

    from nodeproxy.policies.registry import BUILT_IN  # here, because other commands do not need the imports

    if POLICY_NAME.fullmatch(name) is None or iskeyword(name):
        raise CannotMake(f"{name!r} cannot be the name of a policy; use letters and digits, such as tenantHeader")
    if name in BUILT_IN.by_name:
        raise CannotMake(f"{name} is a policy of nodeproxy (`nodeproxy policies {name}`); use another name")
    dashed = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "-", name).lower()
    words = {
        "name": name, "dashed": dashed, "package": f"nodeproxy-{dashed}", "kind": f"{name[:1].upper()}{name[1:]}",
        "module": f"nodeproxy_{dashed.replace('-', '_')}", "versions": _versions(version("nodeproxy")),
    }  # fmt: skip
    files = {
        "pyproject.toml": PROJECT, f"{words['module']}.py": POLICY, f"test_{words['module']}.py": TEST,
    }  # fmt: skip
    folder = into / words["package"]
    try:
        folder.mkdir()
        for path, text in files.items():
            (folder / path).write_text(text.substitute(words))
    except FileExistsError as error:
        raise CannotMake(f"{folder} is there already; remove it, or choose another name or --into") from error
    except OSError as error:
        raise CannotMake(f"{folder}: cannot be made: {error.strerror}; --into must name a folder") from error
    return folder


def _versions(running: str) -> str:
    """The versions of nodeproxy that promise the interface of this one; docs/write-a-policy.md has the promise."""
    major, minor = (int(part) for part in running.split(".")[:2])
    after = f"{major + 1}" if major else f"0.{minor + 1}"
    return f">={major}.{minor},<{after}"
