"""What goes up to discovery, which services an update is about, and what a line may hold."""

import msgspec
import pytest

from nodeproxy.mesh.model import Endpoint, Port, Service
from nodeproxy.mesh.wire import (
    LINE_LIMIT_BYTES,
    Callers,
    Drop,
    Fresh,
    PolicyMap,
    PolicyMaps,
    Put,
    Replace,
    Subscribe,
    Unsubscribe,
    Watched,
    Watches,
    keys_of,
    line,
    parse,
    parse_upward,
)

MESSAGES = (
    Replace(()), Put(Service("shop", "web")), Drop("shop/web"), Callers(()), Watches(()), PolicyMaps(()),
    Subscribe("shop/web"), Unsubscribe("shop/web"), Watched("pods", "callers", 3), PolicyMap("shop", "mesh", True),
)  # fmt: skip


@pytest.mark.parametrize("subscription", [Subscribe("shop/web"), Unsubscribe("shop/web")])
def test_every_wish_comes_out_as_it_went_in(subscription):
    assert parse_upward(line(subscription)) == subscription


@pytest.mark.parametrize(
    "text", [b"", b"{}", b'{"type":"drop","key":"shop/web"}', b'{"type":"want"}', b'{"type":"want","key":"\xff"}']
)
def test_what_is_no_wish_is_refused(text):
    with pytest.raises(msgspec.DecodeError):
        parse_upward(text)


@pytest.mark.parametrize(
    ("update", "keys"),
    [
        (Put(Service("shop", "web")), ("shop/web",)),
        (Drop("shop/cart"), ("shop/cart",)),
        (Replace((Service("shop", "web"),)), ()),
        (Fresh(), ()),
        (Callers(()), ()),
    ],
)
def test_an_update_of_one_service_is_about_its_key_and_one_of_all_about_none(update, keys):
    assert keys_of(update) == keys


def test_a_mesh_is_just_confirmed_and_whole_unless_it_says_otherwise():
    replace = parse(b'{"type":"replace","services":[]}')

    assert (replace.age_s, replace.on_demand) == (0.0, False)
    assert line(replace) == b'{"type":"replace","services":[]}\n'


@pytest.mark.parametrize("message", MESSAGES, ids=lambda message: type(message).__name__)
def test_a_message_cannot_be_changed(message):
    with pytest.raises(AttributeError):
        setattr(message, message.__struct_fields__[0], None)


def test_a_line_has_room_for_a_hundred_thousand_endpoints_and_not_for_all_memory():
    endpoints = tuple(
        Endpoint(f"fd00:10:244::{number:x}", 65535, "node-" + "n" * 57, "zone-a") for number in range(100)
    )

    size = len(line(Put(Service("shop", "web", ports=(Port(80, endpoints=endpoints),)))))

    assert size * 1000 < LINE_LIMIT_BYTES < 128 * 1024 * 1024
