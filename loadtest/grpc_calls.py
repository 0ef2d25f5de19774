"""Unary gRPC calls in a closed loop: `python grpc_calls.py < work.json`; prints what it counted as a line of JSON.

Alone, because grpcio lives in the benchmark's own environment.
"""

import asyncio
import json
import sys
import time
from collections import Counter
from typing import TypedDict

import grpc  # type: ignore[import-not-found,import-untyped,unused-ignore]

MESSAGE = b"sixty-four bytes, as short a message as a service really sends.\n"
METHOD = "/bench.Echo/Unary"
DEADLINE_S = 10.0  # as in the other scenarios; sent as grpc-timeout


class Work(TypedDict):
    """What `streams.grpc_loop` sends: `streams` calls at the same time on each of `connections`."""

    port: int
    authority: str
    connections: int
    streams: int
    duration_s: float
    metadata: list[tuple[str, str]]


async def call_all(work: Work) -> dict[str, object]:
    """Each stream calls again as soon as it is answered."""
    options = [("grpc.use_local_subchannel_pool", 1), ("grpc.default_authority", work["authority"])]
    address = f"127.0.0.1:{work['port']}"
    channels = [grpc.aio.insecure_channel(address, options=options) for _ in range(work["connections"])]
    times_s: list[float] = []
    errors: Counter[str] = Counter()
    metadata = [(name, value) for name, value in work["metadata"]]
    began = time.perf_counter()
    end = began + work["duration_s"]

    async def stream(channel: grpc.aio.Channel) -> None:
        call = channel.unary_unary(METHOD)
        while (start := time.perf_counter()) < end:
            try:
                answer = await call(MESSAGE, metadata=metadata, timeout=DEADLINE_S)
            except grpc.aio.AioRpcError as error:
                errors[error.code().name] += 1
                continue
            times_s.append(time.perf_counter() - start)
            errors["message"] += answer != MESSAGE

    await asyncio.gather(*(stream(channel) for channel in channels for _ in range(work["streams"])))
    duration_s = time.perf_counter() - began
    for channel in channels:
        await channel.close()
    times_s.sort()
    count = len(times_s)
    return {
        "duration_s": duration_s,
        "requests": count,
        "received_bytes": count * len(MESSAGE),
        "p50_s": times_s[count // 2] if count else None,
        "p99_s": times_s[count * 99 // 100] if count else None,
        "errors": errors,
    }


if __name__ == "__main__":
    print(json.dumps(asyncio.run(call_all(json.load(sys.stdin)))))
