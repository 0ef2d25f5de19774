"""A flood: one caller sends far more than the service can handle, and a limit for each caller protects the others."""

from concurrent.futures import ThreadPoolExecutor

from nodeproxy.demo.stage import Stage
from nodeproxy.demo.table import rendered
from nodeproxy.demo.traffic import Answer, Caller, caller

DURATION_S = 2.0
FLOOD_AT_ONCE = 16
FLOOD_PAUSE_S, CART_PAUSE_S = 0.005, 0.03
LIMIT = "rateLimit: {perCaller: {requestsPerSecond: 40, burst: 20}}\n"


def show(stage: Stage) -> None:
    """Floods ratings without a limit, and with one."""
    listen = stage.mesh.listen
    start = stage.mesh.counters()
    with caller("shop/cart", listen, at_once=1) as cart, caller("shop/batch", listen, FLOOD_AT_ONCE) as batch:
        stage.say("ratings handles two requests at a time, and each takes 20 ms.")
        stage.say(f"shop/cart sends one request after the other, shop/batch {FLOOD_AT_ONCE} at a time, without end.")
        answers = _both(cart, batch)
        stage.table(rendered("no limit: shop/cart waits behind shop/batch", answers))
        before = stage.after(start, "ratings", len(answers))
        stage.shop.set_policies({"ratings.shop": LIMIT})
        stage.say(f"{stage.shop.policy.name}, for ratings.shop: {LIMIT.strip()}")
        answers = _both(cart, batch)
        stage.table(rendered("a limit for each caller", answers))
    for name in ("shop/cart", "shop/batch"):
        stage.say(f"{name}: {_served(answers, name)}")
    requests = [
        ("nodeproxy_requests_total", {"service": "ratings", "source_workload": workload, "status": status})
        for workload, status in (("cart", "200"), ("cart", "429"), ("batch", "200"), ("batch", "429"))
    ]
    stage.counted(before, stage.after(before, "ratings", len(answers)), requests)
    stage.run("diagnose", "ratings.shop", "--from", "shop/batch", grep="caller")
    stage.shop.set_policies({})
    stage.see("map", "nodeproxy tap ratings.shop", "nodeproxy policies rateLimit")


def _both(cart: Caller, batch: Caller) -> list[Answer]:
    """What both see who send at the same time."""
    with ThreadPoolExecutor(2) as threads:
        flood = threads.submit(batch.ask_for, "ratings", DURATION_S, FLOOD_PAUSE_S)
        calm = threads.submit(cart.ask_for, "ratings", DURATION_S, CART_PAUSE_S)
        return [*calm.result(), *flood.result()]


def _served(answers: list[Answer], name: str) -> str:
    own = [answer for answer in answers if answer.caller == name]
    return f"{sum(answer.status == 200 for answer in own)} of {len(own)} requests served"
