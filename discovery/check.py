"""Checks a folder: every problem that the running process would log, and notes on what may surprise."""

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from json import dumps
from pathlib import Path

from rich.console import Console
from rich.text import Text

from discovery.kubernetes.documents import NotDocuments
from discovery.kubernetes.objects import subject_of
from discovery.problem import Problem, Severity, path_text
from discovery.services.catalogue import Catalogue, Scope
from discovery.sources.external.slices import is_external
from discovery.sources.folder.file_text import with_lines
from discovery.sources.folder.folder import Folder
from nodeproxy.mesh.unserved import unserved
from nodeproxy.mesh.wire import size_of


@dataclass(frozen=True, slots=True)
class Report:
    """The result of a check. `problems` mean that a configured setting would not be in force.

    `notes` are valid settings that may surprise, as a port that is not served.
    """

    problems: tuple[Problem, ...]
    warnings: tuple[Problem, ...]
    services: int
    endpoints: int
    notes: tuple[Problem, ...] = ()


def check(folder: Path, scope: Scope | None = None) -> Report:
    """Reads `folder` once, as the running process does at start."""
    scope = scope or Scope()
    catalogue = Catalogue(scope)
    catalogue.apply(Folder(folder, scope.policy_map).read())
    found = _with_lines(folder, (*catalogue.problems(), *_worth_a_look(catalogue)))
    return Report(
        problems=_of("error", found),
        warnings=_of("warning", found),
        services=len(catalogue.services),
        endpoints=size_of(list(catalogue.services.values())),
        notes=_of("note", found),
    )


def _of(severity: Severity, found: tuple[Problem, ...]) -> tuple[Problem, ...]:
    return tuple(problem for problem in found if problem.severity == severity)


def show(report: Report, console: Console) -> None:
    """Print `report`, a line per problem; colours and nothing else depend on the terminal."""
    for problems, word, style in (
        (report.problems, "error", "bold red"),
        (report.warnings, "warning", "yellow"),
        (report.notes, "note", "cyan"),
    ):
        for problem in problems:
            console.print(Text.assemble((word, style), f"  {problem}"), soft_wrap=True)
    counts = f"{_count(len(report.problems), 'error')}, {_count(len(report.warnings), 'warning')}"
    counts += f", {_count(len(report.notes), 'note')}" if report.notes else ""
    in_force = f"{_count(report.services, 'service')} with {_count(report.endpoints, 'endpoint')} in force"
    console.print(Text(f"{in_force}; {counts}", "bold"), soft_wrap=True)


def report_json(report: Report) -> str:
    """`report` as JSON, for another program."""
    found = (*report.problems, *report.warnings, *report.notes)
    problems = [
        {
            "severity": each.severity,
            "file": each.origin.file,
            "document": each.origin.document,
            "line": each.line,
            "subject": each.subject,
            "path": path_text(each.full_path),
            "message": each.message,
        }
        for each in found
    ]
    counts = {"services": report.services, "endpoints": report.endpoints}
    return dumps({**counts, "errors": len(report.problems), "problems": problems}, indent=2)


def _worth_a_look(catalogue: Catalogue) -> Iterator[Problem]:
    for stored in catalogue.store.slices_without_service():
        subject = subject_of("EndpointSlice", stored.object.key)
        wanted = stored.object.service_key
        message = f"there is no Service {wanted}" if wanted else "its label of the service is missing"
        path = ("metadata", "labels", "kubernetes.io/service-name")
        yield Problem(f"{message}; its endpoints are not used", stored.origin, subject, path, severity="warning")
    for key, service in sorted(catalogue.services.items()):
        found, subject = catalogue.store.services[key], subject_of("Service", key)
        for index, port in enumerate(service.ports):
            if message := unserved(service, port):
                yield Problem(message, found.origin, subject, ("spec", "ports", index), severity="note")
            # that an ExternalName resolves on this machine does not mean that it does on the nodes
            elif not port.endpoints and not is_external(found.object):
                name = f" ({port.name})" if port.name else ""
                message = f"port {port.number}{name} has no endpoint that may be called; whatever calls it is refused"
                yield Problem(message, found.origin, subject, severity="warning")
    yield from catalogue.policies.without_target(catalogue.services)


def _with_lines(folder: Path, problems: tuple[Problem, ...]) -> tuple[Problem, ...]:
    """The same problems, with line numbers for those that were found after the files had been read."""
    in_file: dict[str, list[Problem]] = {}
    for problem in problems:
        if problem.line is None and problem.path and problem.origin.file.endswith((".yaml", ".yml")):
            in_file.setdefault(problem.origin.file, []).append(problem)
    lined: dict[Problem, Problem] = {}
    for name, group in in_file.items():
        with suppress(OSError, NotDocuments):  # the file has just changed; the problem is shown without its line
            lined.update(zip(group, with_lines((folder / name).read_bytes(), group), strict=True))
    return tuple(lined.get(problem, problem) for problem in problems)


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"
