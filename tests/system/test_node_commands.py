"""The commands that ask the running node: workers, watches, services."""

import json
import os
import stat

from tests.fakes.node import Node, command, server, service, until


def test_status_and_services_are_shown_for_people_and_for_programs(folder):
    run_dir, config = folder.parent / "run", folder.parent / "node.yaml"
    config.write_text(f"run_dir: {run_dir}\n")
    where = ("--config", str(config))
    with server("one") as port:
        (folder / "web.yaml").write_text(service("web", port))
        with Node(folder, "--workers", "2", *where) as node:
            assert node.get("web.shop.mesh") == (200, "one")
            until(lambda: node.metrics().count('status="200"} 1.0') == 1, "the report")
            status = json.loads(command("status", "--json", *where).stdout)
            services = json.loads(command("services", "--json", *where).stdout)
            tables = command("status", *where).stdout + command("services", *where).stdout
            mode = stat.S_IMODE(os.stat(run_dir / "control.sock").st_mode)
            pids = sorted(node.children()["worker"])

    assert [(each["number"], each["connected"]) for each in status["workers"]] == [(0, True), (1, True)]
    assert sorted(each["pid"] for each in status["workers"]) == pids
    assert status["table_age_s"] >= 0
    (web,) = services
    assert (web["namespace"], web["service"], web["port"]) == ("shop", "web", "80")
    assert (web["endpoints"], web["usable"], web["requests"], web["errors"]) == (1, 1, 1, 0)
    assert "web.shop" in tables and all(str(pid) in tables for pid in pids)
    assert mode == 0o600


def test_a_node_that_does_not_run_is_said_with_what_to_check(folder):
    config = folder.parent / "node.yaml"
    config.write_text(f"run_dir: {folder}\n")

    nowhere, not_set = command("status", "--config", str(config)), command("services")

    assert nowhere.returncode == not_set.returncode == 1
    assert f"{folder}/control.sock: " in nowhere.stderr and "check that nodeproxy runs" in nowhere.stderr
    assert "the setting run_dir" in not_set.stderr
