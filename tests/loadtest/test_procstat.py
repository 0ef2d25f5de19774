import os
import subprocess

import pytest

from loadtest.errors import BenchmarkError
from loadtest.procstat import (
    TICK_S,
    Cpu,
    busy_cpu,
    cpu_of,
    family_of,
    parse_busy_cpu,
    parse_listening_inodes,
    parse_pss_bytes,
    parse_slab_bytes,
    parse_stat,
    parse_stolen_s,
    parse_tcp_sockets,
    rss_bytes_of,
    running_s_of,
    slab_bytes,
    tcp_sockets,
)


def stat_line(name="nginx", parent=7, user_ticks=120, system_ticks=30):
    return f"42 ({name}) S {parent} 42 42 0 -1 4194560 100 0 0 0 {user_ticks} {system_ticks} 0 0 20 0 1 0 100"


@pytest.mark.parametrize("name", ["nginx", "a b", "(sd-pam)", "evil) S 1 2"])
def test_a_stat_line_is_read_whatever_the_program_is_called(name):
    stat = parse_stat(stat_line(name=name))

    assert stat.parent == 7
    assert stat.cpu == Cpu(120 * TICK_S, 30 * TICK_S)


def test_pss_is_told_in_bytes():
    rollup = "55d0-7ffe ---p 00000000 00:00 0    [rollup]\nRss:    2000 kB\nPss:     150 kB\nPss_Anon:  90 kB\n"

    assert parse_pss_bytes(rollup) == 150 * 1024


def test_only_listening_sockets_of_the_port_count():
    tcp = """  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 0100007F:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 111 1 0
   1: 0100007F:1F90 0100007F:C350 01 00000000:00000000 00:00000000 00000000     0        0 222 1 0
   2: 0100007F:1F91 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 333 1 0
"""

    assert parse_listening_inodes(tcp, 8080) == {"111"}


def test_stolen_time_is_the_eighth_column_of_all_cores():
    assert parse_stolen_s("cpu  10 0 20 1000 5 0 3 700 0 0\ncpu0 1 0 2 3 4 5 6 7 0 0\n") == 700 * TICK_S


def test_interrupts_count_as_work_of_the_machine_and_waiting_does_not():
    cpu = parse_busy_cpu("cpu  10 1 20 1000 5 2 3 700 0 0\ncpu0 1 0 2 3 4 5 6 7 0 0\n")

    assert cpu == Cpu(11 * TICK_S, 25 * TICK_S)


def test_kernel_objects_are_told_in_bytes():
    assert parse_slab_bytes("MemTotal: 9 kB\nSlab:   150 kB\nSReclaimable: 90 kB\n") == 150 * 1024
    assert slab_bytes() > 2**20


def test_open_tcp_sockets_are_those_in_use():
    assert parse_tcp_sockets("sockets: used 10\nTCP: inuse 4 orphan 0 tw 9 alloc 5 mem 1\nUDP: inuse 1 mem 1\n") == 4
    assert tcp_sockets() >= 0


def test_running_time_is_that_of_all_threads():
    one = running_s_of((os.getpid(),))

    assert 0 < one < cpu_of((os.getpid(),)).total_s + 1
    assert busy_cpu().total_s > one


def test_this_process_is_in_its_own_family_and_has_used_time():
    pid = os.getpid()

    assert pid in family_of(pid)
    assert cpu_of((pid,)).total_s > 0


def test_resident_memory_is_in_bytes_and_added_up():
    one = rss_bytes_of((os.getpid(),))

    assert one > 5 * 2**20  # no interpreter with pytest is smaller
    assert rss_bytes_of((os.getpid(), os.getppid())) > one


def test_memory_of_a_process_that_has_ended_is_an_error():
    with pytest.raises(BenchmarkError, match="a process ended while it was measured"):
        rss_bytes_of((2**22 + 1,))  # above the highest pid of Linux


def test_cpu_time_of_a_process_that_has_ended_and_was_not_waited_for_is_an_error():
    with subprocess.Popen(["true"]) as process:
        os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)

        with pytest.raises(BenchmarkError, match="a process ended while it was measured"):
            cpu_of((process.pid,))
