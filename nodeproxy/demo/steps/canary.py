"""A canary: the shares of two versions follow the policy file, exactly and within a second."""

from collections.abc import Callable, Sequence

from nodeproxy.demo.stage import Stage
from nodeproxy.demo.traffic import Answer, Caller, caller

REQUESTS = 200
NEW = "reviews-v2"
SPLIT = "split: [{{service: reviews, weight: {}}}, {{service: reviews-v2, weight: {}}}]\n"


def show(stage: Stage) -> None:
    """Sends a tenth of the requests to the new version, then half, then none."""
    before = stage.mesh.counters()
    with caller("shop/cart", stage.mesh.listen, at_once=1) as cart:
        _shift(stage, cart, SPLIT.format(9, 1), lambda answers: answers[-1].endpoint == NEW)
        _shift(stage, cart, SPLIT.format(1, 1), lambda answers: _new(answers[-3:]) == 2)  # never with a tenth
        stage.after(before, "reviews", cart.answered["reviews"])
        stage.run("routes", "reviews.shop")
        stage.say("The new version is not wanted after all: the line is taken out again.")
        _shift(stage, cart, "", lambda answers: len(answers) > 2 and not _new(answers[-3:]))
        answered = cart.answered["reviews"]
    decisions = [
        ("nodeproxy_policy_decisions_total", {"policy": "split", "outcome": f"shop/{name}:80"})
        for name in ("reviews", NEW)
    ]
    stage.counted(before, stage.after(before, "reviews", answered), decisions)
    stage.see("service/reviews.shop", "nodeproxy explain reviews.shop", "nodeproxy routes reviews.shop")


def _shift(stage: Stage, cart: Caller, split: str, in_force: Callable[[Sequence[Answer]], bool]) -> None:
    """Writes the table, waits until it is in force, and counts the versions of the next requests."""
    stage.shop.set_policies({"reviews.shop": split})
    seconds = cart.ask_until("reviews", in_force)
    new = _new(cart.ask_often("reviews", REQUESTS))
    stage.say(f"{stage.shop.policy.name}: {split.strip() or '(no split)'}")
    stage.say(
        f"  in force after {seconds:.2f} s; of the next {REQUESTS} requests v1 got {REQUESTS - new} and v2 got {new}"
    )


def _new(answers: Sequence[Answer]) -> int:
    """How many of the responses are of the new version."""
    return sum(answer.endpoint == NEW for answer in answers)
