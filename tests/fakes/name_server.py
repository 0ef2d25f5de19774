"""dnsmasq as an authority for the zone `test`: over UDP and TCP, with answers of every size."""

import signal
from contextlib import contextmanager

from tests.fakes.node import until
from tests.fakes.ports import free_port
from tests.fakes.programs import listens, own_folder, program, running

BIG = [f"192.0.{number // 250}.{number % 250 + 1}" for number in range(320)]
"""The addresses of big.test: more than 5,000 bytes."""
TEXTS = [f"{number:03d} {'x' * 200}" for number in range(18)]
"""The strings of text.test: almost 4,000 bytes."""
EDNS_BYTES = 8192


@contextmanager
def dnsmasq():
    """The port of a running server."""
    server = program("dnsmasq-base", "dnsmasq")
    with own_folder() as folder:
        port = free_port()
        (folder / "hosts").write_text("".join(f"{address} big.test\n" for address in BIG))
        flags = (
            "--keep-in-foreground", "--conf-file=/dev/null", "--no-resolv", "--no-hosts", "--user=", "--group=",
            f"--addn-hosts={folder / 'hosts'}", f"--pid-file={folder / 'pid'}", f"--edns-packet-max={EDNS_BYTES}",
            "--listen-address=127.0.0.1", "--bind-interfaces", f"--port={port}", "--log-facility=-",
            "--address=/one.test/192.0.2.1",  # and all names below it
            f"--txt-record=text.test,{','.join(TEXTS)}", "--local=/test/",
        )  # fmt: skip
        (folder / "hosts").chmod(0o644)
        with running(server, *flags, log=folder / "log", end=signal.SIGTERM):
            until(lambda: listens(port), f"dnsmasq: {(folder / 'log').read_text()}")
            yield port
