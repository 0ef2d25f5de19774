"""Collects the evidence on the node: asks the control process, tries, and asks again."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from urllib.parse import urlencode, urlsplit

import msgspec

from nodeproxy.cli.diagnosis import trials
from nodeproxy.cli.diagnosis.evidence import Evidence
from nodeproxy.cli.diagnosis.judgement import diagnosed
from nodeproxy.mesh.diagnosis import Diagnosis, Facts
from nodeproxy.setting_text import split_address
from nodeproxy.settings import Settings

CALLER_S = 2.5  # between two looks at a caller's counters, which workers report once a second


@dataclass(frozen=True, slots=True)
class Target:
    """What is diagnosed."""

    name: str
    """A service as an operator writes it, with a port if wanted."""
    path: str = "/"
    wants_http: bool = False
    caller: str = ""


def target_of(text: str, path: str = "", caller: str = "") -> Target:
    """A name, or a URL as a client has it: `http://reviews.shop.mesh:8080/status`."""
    if not text.startswith("http://"):
        return Target(text, path or "/", caller=caller)
    parts = urlsplit(text)
    return Target(parts.netloc, path or parts.path or "/", wants_http=True, caller=caller)


def diagnose(target: Target, settings: Settings, ask: Callable[[str], bytes]) -> Diagnosis:
    """The diagnosis of `target` on this node; `ask` returns a page of its control process.

    Raises:
        NoAnswer: the control process does not answer.
    """
    page = f"diagnose?{urlencode({'service': target.name, 'from': target.caller})}"
    before = msgspec.json.decode(ask(page), type=Facts)
    if before.port is None:
        return diagnosed(target.name, Evidence(facts=before))
    reply = _reply(before, target, settings)  # also subscribes, where nothing has yet
    if before.caller is not None:
        time.sleep(CALLER_S)
    facts = msgspec.json.decode(ask(page), type=Facts)
    evidence = Evidence(
        facts=facts,
        in_cluster=settings.discovery.startswith("kube:"),
        wants_http=target.wants_http,
        node_dns=_dns(settings.dns, facts),
        cluster_dns=_dns(facts.cluster_dns, facts),
        local=trials.is_local(facts.virtual_address) if facts.virtual_address else None,
        connects=_connects(facts),
        reply=reply,
        caller_before=before.caller,
    )
    return diagnosed(target.name, evidence)


def _dns(server: str, facts: Facts) -> trials.Resolved | None:
    if not server or not facts.virtual_address:
        return None
    name = f"{facts.service}.{facts.namespace}.mesh"
    return trials.resolve(split_address(server), name, six=":" in facts.virtual_address)


def _connects(facts: Facts) -> dict[str, str]:
    port = facts.port
    if port is None or port.transport != "tcp":
        return {}
    worst_first = sorted(port.endpoints, key=lambda each: each.usable)
    return trials.connect_all([split_address(each.address) for each in worst_first])


def _reply(facts: Facts, target: Target, settings: Settings) -> trials.Replied | None:
    port = facts.port
    if port is None or port.unserved:
        return None
    if port.takes_requests:
        authority = f"{facts.service}.{facts.namespace}.mesh:{port.number}"
        return trials.request(split_address(settings.listen), authority, target.path)
    if port.transport != "tcp" or target.wants_http:
        return None
    return trials.connection((facts.virtual_address, port.number))
