"""A service that does not answer: the error says what to check, and `diagnose` where it breaks."""

from nodeproxy.demo.mesh import free_port
from nodeproxy.demo.stage import Stage
from nodeproxy.demo.traffic import Caller, caller

SERVICE, ENDPOINT = "orders", "orders-a"


def show(stage: Stage) -> None:
    """Places the endpoint of orders at a port where nothing listens, asks why, and mends it."""
    nowhere = free_port()
    stage.shop.place({ENDPOINT: nowhere})
    stage.say(f"{stage.shop.services.name} now has a mistake: the endpoint of {SERVICE} is at port {nowhere},")
    stage.say(f"where nothing listens; the program listens at {stage.endpoints[ENDPOINT].port}.")
    with caller("shop/cart", stage.mesh.listen, at_once=1) as cart:
        cart.ask_until(SERVICE, lambda answers: answers[-1].status != 200)
        _show_answer(stage, cart)
        stage.run("diagnose", f"{SERVICE}.shop")
        stage.say("The port is corrected in the file.")
        stage.shop.place({})
        seconds = cart.ask_until(SERVICE, lambda answers: answers[-1].status == 200)
        stage.say(f"  {SERVICE} answers again after {seconds:.2f} s")
    stage.run("diagnose", f"{SERVICE}.shop", grep="healthy")
    stage.see("errors", f"nodeproxy diagnose {SERVICE}.shop", f"nodeproxy explain {SERVICE}.shop")


def _show_answer(stage: Stage, cart: Caller) -> None:
    answer = cart.ask(SERVICE)
    stage.say(f"shop/cart gets {answer.status} with x-mesh-error: {answer.reason}")
    stage.say(f"  {answer.text}")
