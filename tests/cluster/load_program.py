"""Runs inside a client pod, with nothing but Python's own library: calls a URL until its input ends, and counts.

One thread keeps its connections, one makes a fresh one, with a look-up of the name, for every request. A line of JSON
tells how far it is; the last one tells all.
"""

import collections
import http.client
import json
import sys
import threading
import time

PAUSE_S = 0.004  # between two requests: a load, not a flood
LIMIT_S = 10.0  # for any one step of a request
started = time.monotonic()
answers, failures, worst = collections.Counter(), [], collections.Counter()
versions = collections.Counter()
over = threading.Event()


def call(kind, host):
    connection = None
    while not over.is_set():
        began = time.monotonic()
        try:
            if connection is None or kind == "fresh":
                connection = http.client.HTTPConnection(host, 80, timeout=LIMIT_S)
            connection.request("GET", "/")
            answer = connection.getresponse()
            body = answer.read()
            assert answer.status == 200, f"{answer.status} {answer.headers.get('x-mesh-error')} {body[:100]}"
            seen = json.loads(body)
            answers[seen["pod"]] += 1
            versions[seen["version"]] += 1
            if kind == "fresh":
                connection.close()
        except Exception as error:
            failures.append([kind, round(began - started, 3), round(time.monotonic() - began, 3), repr(error)[:200]])
            connection = None
        worst[kind] = max(worst[kind], round(time.monotonic() - began, 3))
        over.wait(PAUSE_S)


def tell(**more):
    done = {"requests": sum(answers.values()) + len(failures), "failed": len(failures), **more}
    print(json.dumps(done), flush=True)


def main():
    threads = [threading.Thread(target=call, args=(kind, sys.argv[1])) for kind in ("kept", "fresh")]
    for thread in threads:
        thread.start()
    threading.Thread(target=lambda: (sys.stdin.read(), over.set()), daemon=True).start()
    while not over.wait(0.1):
        tell()
    for thread in threads:
        thread.join()
    failing_s = round(failures[-1][1] - failures[0][1], 3) if failures else 0
    tell(by_pod=answers, by_version=versions, worst_s=worst, failing_s=failing_s, failures=failures[:20])


main()
