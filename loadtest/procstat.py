"""What the kernel says about processes: CPU time, memory, descent, and who listens on a port.

The `*_of` functions read /proc; the `parse_*` functions are pure. Nothing here changes a process.
"""

import os
from dataclasses import dataclass
from pathlib import Path

from loadtest.errors import BenchmarkError

PROC = Path("/proc")
TICK_S = 1 / os.sysconf("SC_CLK_TCK")
PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")


@dataclass(frozen=True, slots=True)
class Cpu:
    """CPU time spent, in seconds."""

    user_s: float = 0.0
    system_s: float = 0.0

    @property
    def total_s(self) -> float:
        """User and system time together."""
        return self.user_s + self.system_s

    def __add__(self, other: "Cpu") -> "Cpu":
        return Cpu(self.user_s + other.user_s, self.system_s + other.system_s)

    def __sub__(self, other: "Cpu") -> "Cpu":
        return Cpu(self.user_s - other.user_s, self.system_s - other.system_s)


@dataclass(frozen=True, slots=True)
class Stat:
    """The fields of /proc/PID/stat that matter here. Source: proc(5)."""

    parent: int
    cpu: Cpu
    ended: bool
    """Whether it has, and its parent does not know yet."""


def parse_stat(text: str) -> Stat:
    """The stat line; the program's name in it may hold spaces and parentheses, so it is cut at the last one."""
    fields = text.rpartition(")")[2].split()
    cpu = Cpu(int(fields[11]) * TICK_S, int(fields[12]) * TICK_S)
    return Stat(parent=int(fields[1]), cpu=cpu, ended=fields[0] in "ZX")


def parse_pss_bytes(rollup: str) -> int:
    """Proportional set size in /proc/PID/smaps_rollup: private pages, and a fair share of the shared ones."""
    for line in rollup.splitlines():
        if line.startswith("Pss:"):
            return int(line.split()[1]) * 1024
    raise ValueError("no Pss in smaps_rollup: the kernel lacks CONFIG_PROC_PAGE_MONITOR")


def parse_stolen_s(stat: str) -> float:
    """The first line of /proc/stat: time that the hypervisor gave to others while a core had work, all cores."""
    return int(stat.split(maxsplit=10)[8]) * TICK_S


def parse_busy_cpu(stat: str) -> Cpu:
    """The first line of /proc/stat: time that all cores worked, of any process or of none (interrupts count as system).

    Source: proc(5). Guests are not counted twice: `user` includes them.
    """
    user, nice, system, _idle, _iowait, irq, softirq = (int(ticks) for ticks in stat.split(maxsplit=8)[1:8])
    return Cpu((user + nice) * TICK_S, (system + irq + softirq) * TICK_S)


def parse_slab_bytes(meminfo: str) -> int:
    """The kernel's own objects in /proc/meminfo, among them sockets."""
    return int(meminfo.partition("\nSlab:")[2].split(maxsplit=1)[0]) * 1024


def parse_tcp_sockets(sockstat: str) -> int:
    """Open TCP sockets in /proc/net/sockstat, of all processes of this network namespace."""
    return int(sockstat.partition("\nTCP: inuse ")[2].split(maxsplit=1)[0])


def parse_listening_inodes(tcp: str, port: int) -> frozenset[str]:
    """Inodes of the sockets that /proc/net/tcp shows listening on `port`."""
    rows = (line.split() for line in tcp.splitlines()[1:])
    return frozenset(row[9] for row in rows if row[3] == "0A" and int(row[1].rpartition(":")[2], 16) == port)


def cpu_of(pids: tuple[int, ...]) -> Cpu:
    """CPU time of all threads of these processes so far.

    Raises: BenchmarkError when one of them has ended.
    """
    try:
        stats = [parse_stat((PROC / str(pid) / "stat").read_text()) for pid in pids]
    except (FileNotFoundError, ProcessLookupError) as error:
        raise BenchmarkError(f"a process ended while it was measured ({error.filename})") from error
    if any(each.ended for each in stats):
        raise BenchmarkError(f"a process ended while it was measured (one of {pids})")
    return sum((each.cpu for each in stats), Cpu())


def pss_bytes_of(pids: tuple[int, ...]) -> int:
    """Proportional set size of these processes together."""
    return sum(parse_pss_bytes((PROC / str(pid) / "smaps_rollup").read_text()) for pid in pids)


def rss_bytes_of(pids: tuple[int, ...]) -> int:
    """Resident set size of these processes together: cheap enough to read ten times a second.

    Raises: BenchmarkError when one of them has ended.
    """
    try:
        return sum(int((PROC / str(pid) / "statm").read_text().split()[1]) * PAGE_BYTES for pid in pids)
    except (FileNotFoundError, ProcessLookupError) as error:
        raise BenchmarkError(f"a process ended while it was measured ({error.filename})") from error


def stolen_s() -> float:
    """Time stolen from this machine so far, in seconds of one core."""
    return parse_stolen_s((PROC / "stat").read_text())


def busy_cpu() -> Cpu:
    """Time that this machine's cores have worked so far."""
    return parse_busy_cpu((PROC / "stat").read_text())


def slab_bytes() -> int:
    """Memory of the kernel's own objects now."""
    return parse_slab_bytes((PROC / "meminfo").read_text())


def tcp_sockets() -> int:
    """Open TCP sockets now."""
    return parse_tcp_sockets((PROC / "net" / "sockstat").read_text())


def running_s_of(pids: tuple[int, ...]) -> float:
    """CPU time of all threads of these processes so far, in seconds with the resolution of nanoseconds.

    For what costs less than a tick. Raises: BenchmarkError when one of them has ended.
    """
    try:
        tasks = [task for pid in pids for task in (PROC / str(pid) / "task").iterdir()]
        return sum(int((task / "schedstat").read_text().split()[0]) for task in tasks) / 1e9
    except (FileNotFoundError, ProcessLookupError) as error:
        raise BenchmarkError(f"a process ended while it was measured ({error.filename})") from error


def family_of(pid: int) -> tuple[int, ...]:
    """The process and its descendants, in the order of /proc."""
    parents: dict[int, int] = {}
    for folder in PROC.glob("[0-9]*"):
        try:
            parents[int(folder.name)] = parse_stat((folder / "stat").read_text()).parent
        except (FileNotFoundError, ProcessLookupError):  # it ended meanwhile
            continue
    family = [pid]
    for member in family:
        family += [child for child, parent in parents.items() if parent == member]
    return tuple(family)


def listeners_on(port: int, among: tuple[int, ...]) -> tuple[int, ...]:
    """Those processes of `among` that hold a TCP socket listening on `port`."""
    inodes = parse_listening_inodes((PROC / "net" / "tcp").read_text(), port)
    wanted = {f"socket:[{inode}]" for inode in inodes}
    return tuple(pid for pid in among if wanted & _open_files_of(pid))


def _open_files_of(pid: int) -> set[str]:
    targets = set()
    for entry in (PROC / str(pid) / "fd").iterdir():
        try:
            targets.add(os.readlink(entry))
        except FileNotFoundError:  # closed meanwhile
            continue
    return targets
