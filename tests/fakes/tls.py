"""TLS over a peer of a world: Python's own implementation, client or server, with a certificate made for the test."""

import ssl
import subprocess


class Authority:
    """A certificate for one name, signed by itself."""

    def __init__(self, folder, name):
        self.certificate, self._key = str(folder / "certificate.pem"), str(folder / "key.pem")
        subprocess.run(
            ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2",
             "-subj", f"/CN={name}", "-addext", f"subjectAltName=DNS:{name}",
             "-keyout", self._key, "-out", self.certificate],
            check=True, capture_output=True,
        )  # fmt: skip

    @property
    def server(self):
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.certificate, self._key)
        return context

    @property
    def client(self):
        return ssl.create_default_context(cafile=self.certificate)


class TlsPeer:
    """One end of a TLS connection over a Peer."""

    def __init__(self, peer, context, server_name=None, server=False):
        self._peer = peer
        self._incoming, self._outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._tls = context.wrap_bio(self._incoming, self._outgoing, server, server_name)

    async def handshake(self):
        """Raises ssl.SSLError as the other end makes it fail."""
        await self._until_done(self._tls.do_handshake)

    async def send(self, data):
        await self._until_done(self._tls.write, data)

    async def recv(self):
        return await self._until_done(self._tls.read, 65536)

    async def _until_done(self, step, *arguments):
        while True:
            try:
                found = step(*arguments)
            except ssl.SSLWantReadError:
                await self._flush()
                await self._fetch()
            else:
                await self._flush()
                return found

    async def _fetch(self):
        if data := await self._peer.channel.recv():
            self._incoming.write(data)
        else:
            self._incoming.write_eof()

    async def _flush(self):
        if sent := self._outgoing.read():
            await self._peer.send(sent)
