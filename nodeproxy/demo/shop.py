"""The tour's folder of YAML: the shop, and the policy table that steps edit."""

import os
from collections.abc import Mapping
from importlib.resources import files
from pathlib import Path
from string import Template

POLICY = """apiVersion: v1
kind: ConfigMap
metadata: {name: nodeproxy-policy, namespace: nodeproxy}
data:
"""
OUTLIERS = """\
retries: {attempts: 2, retryOn: [connect-failure, reset, gateway-error]}
outlierDetection: {consecutive5xxErrors: 5, baseEjectionTime: 5s}
"""


class Shop:
    """The files; `ports` are those of the endpoints by name."""

    def __init__(self, folder: Path, ports: Mapping[str, int]) -> None:
        self.services, self.policy = folder / "shop.yaml", folder / "policy.yaml"
        self._ports = ports
        self.place(ports)
        self.set_policies({})

    def place(self, ports: Mapping[str, int]) -> None:
        """Writes the Services and their endpoints, some of them at other ports."""
        template = Template(files("nodeproxy.demo").joinpath("shop.yaml").read_text())
        values = {name.replace("-", "_"): port for name, port in {**self._ports, **ports}.items()}
        _write(self.services, template.substitute(values))

    def set_policies(self, tables: Mapping[str, str]) -> None:
        """Writes the policy table; what each service has without one of `tables`: OUTLIERS for reviews."""
        texts = {"reviews.shop": OUTLIERS}
        for service, text in tables.items():
            texts[service] = texts.get(service, "") + text
        keys = (f"  {service}: |\n" + _indented(text) for service, text in texts.items())
        _write(self.policy, POLICY + "".join(keys))


def _indented(text: str) -> str:
    return "".join(f"    {line}\n" for line in text.splitlines())


def _write(file: Path, text: str) -> None:
    """Replaces a file at once, as editors do: a mesh never reads half of it."""
    new = file.with_name(f".{file.name}.new")
    new.write_text(text)
    os.replace(new, file)
