"""An open page without a browser: reads the streams that it reads, and prints a line when each has begun.

python -m loadtest.page_reader PORT
"""

import http.client
import sys
import threading

STREAMS = ("services", "map", "errors")


def read(port: int, name: str) -> None:
    """Read one stream until it ends, then again, as a browser does."""
    while True:
        connection = http.client.HTTPConnection("127.0.0.1", port)
        connection.request("GET", f"/api/{name}?stream=1")
        response = connection.getresponse()
        if response.status != 200:
            sys.exit(f"/api/{name}: {response.status}")
        print(name, flush=True)
        while response.read1(1 << 16):
            pass


def main() -> None:
    """All streams at once."""
    threads = [threading.Thread(target=read, args=(int(sys.argv[1]), name)) for name in STREAMS]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


if __name__ == "__main__":
    main()
