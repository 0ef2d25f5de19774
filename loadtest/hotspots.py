"""Where nodeproxy's time goes under saturation: native symbols by perf, Python lines by py-spy."""

import subprocess
from collections import Counter
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from tempfile import TemporaryDirectory

from loadtest.endpoints import endpoints
from loadtest.errors import NotInstalledError
from loadtest.generator import ClosedLoop
from loadtest.machine import GENERATOR_CORE, pinned
from loadtest.peer import PEERS, Running, started
from loadtest.scenarios import Scenario
from loadtest.streams import loop_of
from loadtest.toolbox import Toolbox

SAMPLED_S = 4
LOADED_S = SAMPLED_S + 3  # the samplers' own start and end
SHOWN = 30

Say = Callable[[str], None]
Sampler = Callable[[Toolbox, int, Path], str]


def profile(toolbox: Toolbox, scenario: Scenario, say: Say) -> None:
    """Load nodeproxy with the scenario and print what each sampler saw; one that lacks is named.

    Raises: NotStartedError.
    """
    with TemporaryDirectory(prefix="nodeproxy-bench-") as name:
        folder = Path(name)
        behind = endpoints(toolbox, folder, frozenset({scenario.protocol}))
        with behind as ports, started(PEERS[0], toolbox, folder, ports) as peer:
            for sampler in (native_symbols, python_lines):
                try:
                    say(_under_load(toolbox, peer, scenario, sampler, folder))
                except NotInstalledError as error:
                    say(str(error))


def _under_load(toolbox: Toolbox, peer: Running, scenario: Scenario, sampler: Sampler, folder: Path) -> str:
    with ThreadPoolExecutor(1) as pool:
        load: Future[ClosedLoop] = pool.submit(loop_of, toolbox, peer, scenario, LOADED_S)
        seen = sampler(toolbox, peer.worker[0], folder)
        load.result()  # raises what went wrong with the load: an idle proxy's profile says nothing
    return seen


def native_symbols(toolbox: Toolbox, pid: int, folder: Path) -> str:
    """Share of samples per native symbol, kernel included. Source: perf-record(1)."""
    perf, data = toolbox.find("perf"), str(folder / "perf.data")
    # cpu-clock: virtual machines often have no hardware counters.
    record = (perf, "record", "-q", "-e", "cpu-clock", "-F", "997", "-p", str(pid), "-o", data, "--")
    subprocess.run(pinned(GENERATOR_CORE, (*record, "sleep", str(SAMPLED_S))), capture_output=True, check=True)
    report = (perf, "report", "--stdio", "-q", "--sort", "symbol,dso", "--percent-limit", "0.7", "-i", data)
    done = subprocess.run(report, capture_output=True, text=True, check=True)
    return f"native symbols, % of samples\n{done.stdout.strip()}\n"


def python_lines(toolbox: Toolbox, pid: int, folder: Path) -> str:
    """Share of samples per Python line that was running (what it called in C included)."""
    stacks = folder / "stacks"
    options = ("--format", "raw", "--rate", "500", "--duration", str(SAMPLED_S), "--nonblocking")
    command = (toolbox.find("py-spy"), "record", "--pid", str(pid), *options, "--output", str(stacks))
    subprocess.run(pinned(GENERATOR_CORE, command), capture_output=True, check=True)
    return f"Python lines, % of samples\n{hottest(stacks.read_text(), SHOWN)}\n"


def hottest(stacks: str, count: int) -> str:
    """The innermost frames of collapsed stacks ("outer;inner 12"), most frequent first."""
    samples: Counter[str] = Counter()
    for line in stacks.splitlines():
        stack, _, number = line.rpartition(" ")
        samples[stack.rpartition(";")[2]] += int(number)
    total = sum(samples.values())
    return "\n".join(f"{100 * number / total:6.1f}  {frame}" for frame, number in samples.most_common(count))
