"""The first step: services by name, all healthy."""

from nodeproxy.demo import lines
from nodeproxy.demo.stage import Stage
from nodeproxy.demo.table import rendered
from nodeproxy.demo.traffic import caller

SERVICES = ("reviews", "ratings")
REQUESTS = 100


def show(stage: Stage) -> None:
    """Calls two HTTP services and one of TCP."""
    before = stage.mesh.counters()
    with caller("shop/cart", stage.mesh.listen) as cart:
        answers = [answer for service in SERVICES for answer in cart.ask_often(service, REQUESTS)]
    stage.say(f"The pod shop/cart sends {REQUESTS} requests to each of two services, by their mesh names.")
    stage.table(rendered("what the client saw", answers))
    after = stage.after(before, SERVICES[-1], REQUESTS)
    labels = {"source_workload": "cart", "status": "200"}
    stage.counted(before, after, [("nodeproxy_requests_total", {"service": name, **labels}) for name in SERVICES])
    stage.run("services")
    greeting = lines.talk(lines.ADDRESS)
    stage.say(f"lines is TCP, at its own address, and its server speaks first: {greeting}")
    by_name = f"http_proxy=http://{stage.mesh.listen} curl http://reviews.shop.mesh/"
    stage.see("services", "nodeproxy top", by_name, "curl telnet://{}:{}".format(*lines.ADDRESS))
