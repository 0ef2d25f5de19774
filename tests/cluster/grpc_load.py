"""Runs inside a client pod, with grpcio: calls a service over one channel until its input ends, and counts.

Words: the target, how many messages a stream has (0: it ends with its server). Some threads make unary calls, some hold
one stream after the other. The channel has no retry policy. A line of JSON tells how far it is; the last one tells all.
"""

import collections
import json
import sys
import threading
import time

import grpc

UNARY, STREAMS = 4, 4  # threads
PAUSE_S = 0.004  # between two calls: a load, not a flood
LIMIT_S = 10.0  # for a unary call
started = time.monotonic()
pods, codes, failures, broken = collections.Counter(), collections.Counter(), [], []
over = threading.Event()


def make_calls(channel):
    unary = channel.unary_unary("/rollout.Echo/Unary")
    while not over.is_set():
        began = time.monotonic()
        try:
            pods[unary(b"", timeout=LIMIT_S).decode()] += 1
        except grpc.RpcError as error:
            failures.append([began - started, time.monotonic() - began, error.code().name, error.details()])
        over.wait(PAUSE_S)


def hold_streams(channel, messages):
    stream = channel.unary_stream("/rollout.Echo/Stream")
    while not over.is_set():
        call, pod = stream(messages), ""
        try:
            for message in call:
                pod = message.decode()
                if over.is_set():
                    call.cancel()
                    return
            code = "OK"
        except grpc.RpcError as error:
            if over.is_set():
                return
            code = error.code().name
            broken.append([pod, code, error.details()])
        codes[code] += 1
        over.wait(PAUSE_S)


def tell(**more):
    done = {"requests": sum(pods.values()) + len(failures), "failed": len(failures), **more}
    print(json.dumps(done), flush=True)


def main():
    target, messages = sys.argv[1:]
    options = [("grpc.service_config", "{}")]  # no retry policy, whatever DNS says
    with grpc.insecure_channel(target, options=options) as channel:
        threads = [threading.Thread(target=make_calls, args=(channel,)) for _ in range(UNARY)]
        threads += [threading.Thread(target=hold_streams, args=(channel, messages.encode())) for _ in range(STREAMS)]
        for thread in threads:
            thread.start()
        threading.Thread(target=lambda: (sys.stdin.read(), over.set()), daemon=True).start()
        while not over.wait(0.1):
            tell()
        for thread in threads:
            thread.join()
    tell(by_pod=pods, failures=failures[:20], streams=codes, broken=broken)


main()
