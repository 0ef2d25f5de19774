"""The shares of a split: what is due next, and what is counted."""

from typing import NamedTuple

from nodeproxy.balance.weights import Weights
from nodeproxy.exchange.decisions import Decisions


class Shares(NamedTuple):
    """The state of `split` for one service port."""

    weights: Weights
    decisions: Decisions
