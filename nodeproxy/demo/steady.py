"""What goes on after the last step with --keep: a few requests, so that commands and the page have some to show."""

import time

from nodeproxy.demo.stage import Stage
from nodeproxy.demo.traffic import caller

PAUSE_S = 0.1


def call_on(stage: Stage) -> None:
    """Both pods call the shop, until Ctrl-C."""
    with caller("shop/cart", stage.mesh.listen) as cart, caller("shop/batch", stage.mesh.listen) as batch:
        while True:
            for service in ("reviews", "ratings", "orders"):
                cart.ask(service)
            batch.ask("ratings")
            time.sleep(PAUSE_S)
