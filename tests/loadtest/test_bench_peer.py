import pytest

from loadtest.hotspots import hottest
from loadtest.machine import parse_cpu_model
from loadtest.peer import NODEPROXY, PEERS, rendered, write_configuration
from loadtest.scenarios import SCENARIOS

VALUES = {
    **{"dir": "/tmp/d", "program": "/bin/p", "user_line": ""},
    **{"port": "1", "admin_port": "2", "backend_port": "3", "http2_port": "4"},
    **{"http2_backend_port": "5", "grpc_backend_port": "6"},
}


def test_a_placeholder_without_value_is_refused():
    with pytest.raises(KeyError, match="nobody"):
        rendered("listen @nobody@", VALUES)


@pytest.mark.parametrize("peer", PEERS, ids=lambda peer: peer.name)
def test_every_peers_files_and_command_can_be_rendered(peer, tmp_path):
    write_configuration(peer.files or peer.name, tmp_path / "it", VALUES)

    files = [path.read_text() for path in (tmp_path / "it").iterdir()]

    assert files
    assert "@" not in "".join(files).replace('"@type"', "")
    assert "@" not in "".join(rendered(word, VALUES) for word in (*peer.command, *peer.version))


@pytest.mark.parametrize("peer", PEERS, ids=lambda peer: peer.name)
def test_every_host_that_a_peer_serves_over_http2_stands_in_its_files(peer, tmp_path):
    write_configuration(peer.files or peer.name, tmp_path / "it", VALUES)

    text = "".join(path.read_text() for path in (tmp_path / "it").iterdir())

    services = {host: f"name: {host.partition('.')[0]}\n" for host in peer.http2_hosts}
    assert all((name if not peer.program else host) in text for host, name in services.items())


def test_nodeproxy_comes_first_because_the_others_are_compared_with_it():
    assert PEERS[0].name == NODEPROXY


@pytest.mark.parametrize(
    ("scenario", "count"), [(SCENARIOS[0], 2), (SCENARIOS[1], 12)], ids=lambda each: str(each)[:20]
)
def test_a_scenario_has_the_number_of_fields_its_title_says(scenario, count):
    lines = scenario.head().split(b"\r\n")

    assert len(lines[1:-2]) == count
    assert lines[-2:] == [b"", b""]


def test_a_machine_that_tells_no_cpu_model_has_its_architecture():
    assert parse_cpu_model("model name\t: Fast One\nmodel name\t: Fast One\n") == "Fast One"
    assert parse_cpu_model("processor: 0\n")


def test_the_hottest_frame_is_the_innermost_one_over_all_stacks():
    stacks = "main (a.py:1);work (b.py:2) 30\nmain (a.py:1);other (c.py:3);work (b.py:2) 30\nmain (a.py:1) 40\n"

    assert hottest(stacks, 1) == "  60.0  work (b.py:2)"
