"""A DNS server on loopback whose records a test may change while it runs."""

import socket
import threading
from contextlib import contextmanager

import dns.flags
import dns.message
import dns.rcode
import dns.rdatatype
import dns.rrset


class Zone:
    """Records by name: `(type, ttl, text)` each. `asked` are the questions so far; `silent` answers none of them."""

    def __init__(self, **records):
        self.records = {name.replace("_", "."): found for name, found in records.items()}
        self.asked = []
        self.silent = set()
        self.port = 0

    def answer(self, query):
        """The response of a recursive resolver: a CNAME comes with what it leads to."""
        response = dns.message.make_response(query)
        response.flags |= dns.flags.RA
        name, kind = query.question[0].name, dns.rdatatype.to_text(query.question[0].rdtype)
        self.asked.append((name.to_text(omit_final_dot=True), kind))
        while True:
            found = self.records.get(name.to_text(omit_final_dot=True))
            if found is None:
                response.set_rcode(dns.rcode.NXDOMAIN)
                return response
            aliases = [text for each, _, text in found if each == "CNAME"]
            for each, ttl, text in found:
                if each in (kind, "CNAME"):
                    response.answer.append(dns.rrset.from_text(name, ttl, "IN", each, text))
            if not aliases:
                return response
            name = dns.name.from_text(aliases[0])


@contextmanager
def serving(zone):
    """Answer over UDP for as long as the block runs; `zone.port` is where."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.bind(("127.0.0.1", 0))
        zone.port = sock.getsockname()[1]

        def serve():
            while True:
                received, client = sock.recvfrom(4096)
                if not received:
                    return
                query = dns.message.from_wire(received)
                response = zone.answer(query)
                if dns.rdatatype.to_text(query.question[0].rdtype) not in zone.silent:
                    sock.sendto(response.to_wire(), client)

        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield zone
        finally:
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as last:
                last.sendto(b"", ("127.0.0.1", zone.port))
            thread.join()
