"""The example of docs/routing.md."""

from pathlib import Path

import yaml

from nodeproxy.mesh.callers import UNKNOWN
from nodeproxy.policies.compiled_routes import compiled
from tests.fakes.routes import FRONTEND, asking, routes

PAGE = Path(__file__).parents[2] / "docs" / "routing.md"


def test_the_example_does_what_its_page_says():
    example = PAGE.read_text().split("```yaml\n")[1].split("```")[0]
    router, rules = compiled(routes(*yaml.safe_load(example)["routes"]))
    rewritten = asking("/%61pi/x?a=1", x_env="dev")

    rules[router.find(rewritten, UNKNOWN)].edit(rewritten)
    moved = rules[router.find(asking("/users/7"), FRONTEND)].respond(asking("/users/7"))
    closed = rules[router.find(asking("/internal"), UNKNOWN)].respond(asking("/internal"))

    assert (rewritten.path, rewritten.authority, rewritten.fields.get(b"x-rule")) == (
        b"/v2/x?a=1",
        b"api.internal",
        b"dev",
    )
    assert moved.fields.get(b"location") == b"https://web.shop.mesh/moved"
    assert (closed.status, closed.first) == (404, b"not here\n")
    assert router.find(asking("/users/7"), UNKNOWN) == -1
