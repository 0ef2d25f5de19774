"""The page that says what is followed, why, and who calls."""

import json

from nodeproxy.control.debug import overview
from nodeproxy.mesh.model import Caller, Endpoint, Port, Service
from nodeproxy.mesh.wire import Callers, Replace, Watched, Watches
from tests.fakes.tables import bare_live

WEB = Service("shop", "web", ports=(Port(80, endpoints=(Endpoint("10.0.0.1", 8080),)),))
ASLEEP = Service("shop", "cart", ports=(Port(80),), unsubscribed=True)


def test_it_says_what_is_in_force():
    live = bare_live(
        Replace((WEB, ASLEEP), on_demand=True),
        Watches((Watched("/api/v1/services", "names", 2),)),
        Callers((Caller("10.244.1.5", "shop", "cart"),)),
    )

    assert json.loads(overview(live, 1002.5)) == {
        "table": {"age_s": 2.5, "services": 2, "unsubscribed": 1},
        "watches": [{"what": "/api/v1/services", "why": "names", "objects": 2, "error": ""}],
        "wanted": {"shop/web": {"since_s": 2, "last_seen_in_use_s": 2}},
        "endpoints": {"shop/web": {"80": [{"address": "10.0.0.1", "port": 8080}]}},
        "callers": {"10.244.1.5": "shop/cart"},
    }


def test_it_can_be_asked_before_there_is_a_table():
    assert json.loads(overview(bare_live(), 1000.0))["table"] == {"age_s": None, "services": 0, "unsubscribed": 0}
