"""Samples of exchanges as workers send them."""

from nodeproxy.mesh.samples import AttemptSample, EventSample, ExchangeSample, TraceSample

TRACE_ID, SPAN_ID, PARENT_ID, ATTEMPT_ID = "4b" * 16, "11" * 8, "22" * 8, "33" * 8


def attempt(**changes):
    usual = {
        "endpoint": "10.0.0.1:8080", "began_s": 0.001, "first_byte_s": 0.01, "ended_s": 0.02, "status": 200,
        "outcome": 200, "hedge": False, "span_id": ATTEMPT_ID,
    }  # fmt: skip
    return AttemptSample(**{**usual, **changes})


def event(policy, outcome, mode="enforce"):
    return EventSample(0.005, policy, outcome, mode)


def sample(**changes):
    usual = {
        "time": 1_700_000_000.0, "elapsed_s": 0.5, "method": "GET", "authority": "web.shop.mesh",
        "path": "/basket?token=secret", "version": "1.1", "client": "10.1.0.7", "caller": ("shop", "front"),
        "service_port": "shop/web:80", "status": 200, "reason": "", "grpc_status": None, "not_retried": "",
        "attempts": (attempt(),), "events": (), "left_out": 0,
        "trace": TraceSample(TRACE_ID, SPAN_ID, PARENT_ID, "vendor=1"),
    }  # fmt: skip
    return ExchangeSample(**{**usual, **changes})
