"""A changed table on trial in a running node: taken back by itself, shown, and kept so by a restart."""

import json

from tests.fakes.node import Node, command, policy, server, service, until

GOOD = "timeouts: {responseHead: 10s}"
ROLLOUT = "rollout: {percentage: 50, until: 1h, minRequests: 10, margin: 5}"
BAD = ROLLOUT + "\nfault: {abort: {httpStatus: 500, percentage: 100}}"


def test_a_table_under_which_requests_fail_is_taken_back_by_itself(folder):
    config = folder.parent / "node.yaml"
    config.write_text(f"run_dir: {folder.parent / 'run'}\n")
    where, state = ("--config", str(config)), {"state_file": str(folder.parent / "state.json")}
    with server("one") as port:
        (folder / "web.yaml").write_text(service("web", port))
        (folder / "policy.yaml").write_text(policy(web__shop=GOOD))
        with Node(folder, *where, **state) as node:
            until(lambda: node.answers("web.shop.mesh", 200), "the service")
            (folder / "policy.yaml").write_text(policy(web__shop=BAD))

            def statuses():
                return {node.get("web.shop.mesh")[0] for _ in range(20)}

            def returned():
                failed = 500 in statuses()
                (rollout,) = json.loads(command("status", "--json", *where).stdout)["rollouts"] or [{"state": ""}]
                return not failed and rollout["state"].startswith("taken back: under the changed table 100.0% of ")

            until(lambda: 500 in statuses(), "the trial")
            until(returned, "the return")
            explained = json.loads(command("explain", "web.shop", "--json", *where).stdout)
        log = node.log.read_text()

        with Node(folder, *where, **state) as node:
            until(lambda: node.answers("web.shop.mesh", 200), "the restart")
            after_restart = statuses()

    assert "taken back" in explained["rollout"]
    assert any("was taken back" in problem for problem in explained["problems"])
    assert "rollout returned" in log
    assert after_restart == {200}
