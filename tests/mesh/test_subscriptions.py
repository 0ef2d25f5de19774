"""Which services' endpoints are needed, and for how long."""

import pytest

from nodeproxy.mesh.subscriptions import FORGET_S, Subscriptions, Usage
from nodeproxy.mesh.wire import Subscribe, Unsubscribe


class Needs:
    """A demand on a clock of the test's own, and what the services it knows have done."""

    def __init__(self, **usage):
        self.now, self.usage, self.stirred = 1000.0, {f"shop/{name}": done for name, done in usage.items()}, 0
        self.subscriptions = Subscriptions(lambda: self.now)
        self.subscriptions.stir = self._stir

    def _stir(self):
        self.stirred += 1

    def review_after(self, seconds, **usage):
        self.now += seconds
        self.usage |= {f"shop/{name}": done for name, done in usage.items()}
        self.subscriptions.review(self.usage.get)
        return self.subscriptions.taken()


def test_a_service_is_asked_for_once_however_often_it_is_wanted():
    needs = Needs()

    needs.subscriptions.want("shop/web")
    needs.subscriptions.want("shop/web")

    assert (
        needs.subscriptions.taken() == [Subscribe("shop/web")]
        and needs.subscriptions.taken() == []
        and needs.stirred == 1
    )
    assert "shop/web" in needs.subscriptions


def test_a_service_is_left_when_it_has_not_been_used_for_long():
    needs = Needs(web=Usage(1, 0))
    needs.subscriptions.want("shop/web")
    needs.subscriptions.taken()

    seen = needs.review_after(1)
    kept = needs.review_after(FORGET_S - 1)
    left = needs.review_after(1)

    assert seen == kept == [] and left == [Unsubscribe("shop/web")]
    assert "shop/web" not in needs.subscriptions


@pytest.mark.parametrize("used", [Usage(2, 0), Usage(1, 1)], ids=["requested", "under way"])
def test_a_service_in_use_is_kept(used):
    needs = Needs(web=Usage(1, 0))
    needs.subscriptions.want("shop/web")
    needs.review_after(1)
    needs.subscriptions.taken()

    assert needs.review_after(FORGET_S, web=used) == [] and needs.review_after(FORGET_S - 1) == []


def test_a_service_that_is_gone_is_left():
    needs = Needs()
    needs.subscriptions.want("shop/web")
    needs.subscriptions.taken()

    assert needs.review_after(0) == [Unsubscribe("shop/web")]


def test_a_wish_that_is_taken_back_before_it_was_told_is_told_as_it_is_now():
    needs = Needs()
    needs.subscriptions.want("shop/web")

    needs.subscriptions.review(needs.usage.get)
    needs.subscriptions.want("shop/web")

    assert needs.subscriptions.taken() == [Subscribe("shop/web")]


def test_who_knows_nothing_is_told_everything():
    needs = Needs()
    needs.subscriptions.want("shop/web")
    needs.subscriptions.want("shop/cart")
    needs.subscriptions.taken()

    needs.subscriptions.resubscribe()

    assert needs.subscriptions.taken() == [Subscribe("shop/web"), Subscribe("shop/cart")]


@pytest.mark.parametrize("started", [1.0, 1000.0])
def test_a_service_that_was_never_called_is_left_however_late_it_is_looked_at(started):
    needs = Needs(web=Usage(0, 0))
    needs.now = started
    needs.subscriptions.want("shop/web")
    needs.subscriptions.taken()

    assert needs.review_after(FORGET_S - 1) == []
    assert needs.review_after(2) == [Unsubscribe("shop/web")]


def test_a_service_whose_count_begins_again_is_in_use():
    needs = Needs(web=Usage(9, 0))
    needs.subscriptions.want("shop/web")
    needs.review_after(0)
    needs.subscriptions.taken()

    assert needs.review_after(FORGET_S, web=Usage(1, 0)) == []


def test_a_service_that_was_called_a_thousand_times_and_then_no_more_is_left():
    needs = Needs(web=Usage(int("1000"), 0))
    needs.subscriptions.want("shop/web")
    needs.review_after(0)
    needs.subscriptions.taken()

    assert needs.review_after(FORGET_S, web=Usage(int("1000"), 0)) == [Unsubscribe("shop/web")]
