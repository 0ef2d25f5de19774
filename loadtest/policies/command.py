"""The command `policies`: what each policy costs, and eight of them beside Envoy and Traefik."""

from typing import Annotated

import typer

from loadtest.options import OWN_README, RESULTS, Out, PeerBin, chosen, measuring, refuse
from loadtest.policies import report as policy_report
from loadtest.policies import run as policy_run
from loadtest.policies.sets import EIGHT, PLAIN, policy_sets
from loadtest.record_file import save
from loadtest.report import POLICIES, publish


def measure_policies(
    quick: Annotated[bool, typer.Option(help="One short round: noisy.")] = False,
    only: Annotated[str, typer.Option(help="Sets of policies/sets.yaml besides plain and eight, with commas.")] = "",
    out: Out = RESULTS,
    peer_bin: PeerBin = None,
) -> None:
    """Measure what policies cost: each alone, and eight together beside Envoy and Traefik with their equivalents."""
    sets, absent = policy_sets()
    if only:
        known = tuple(each.name for each in sets)
        wanted = {PLAIN, EIGHT, *chosen(only, known)}
        wanted |= {each.against for each in sets if each.name in wanted}
        sets = tuple(each for each in sets if each.name in wanted)
    plan = policy_run.QUICK if quick else policy_run.FULL
    seen = policy_run.run(plan, sets, absent, measuring(peer_bin), typer.echo)
    refuse(policy_report.faults(seen), seen, out)
    save(seen, out / "policies.json")
    (out / "policies.md").write_text(policy_report.markdown(seen))
    publish(policy_report.summary(seen), OWN_README, POLICIES)
    typer.echo(policy_report.markdown(seen))
