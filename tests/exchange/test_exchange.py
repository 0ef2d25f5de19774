"""What a response gives back when it is over."""

from nodeproxy.protocol.fields import Fields
from nodeproxy.protocol.message import Response
from tests.fakes.exchanges import Carrier, Held


def test_a_closed_response_gives_up_its_body_and_its_place_once():
    response, endpoint = Response(200, Fields(), 4), Carrier()
    response.body, response.endpoint = Held(), endpoint

    response.close()
    response.close()

    assert endpoint.active == 0
    assert response.body.abandoned


def test_the_meshs_own_response_holds_nothing():
    response = Response(503, Fields(), 0)

    response.close()

    assert response.endpoint is None
