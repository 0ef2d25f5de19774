"""Keeps a valid certificate: makes it, renews it, lets the API server trust it, and serves with it.

The Secret is the truth. All replicas read it every minute, and the one that finds the certificate missing, broken or
near its end replaces it; the others lose by the version that they have read, and read again. Only then the API server
is told, and a certificate that it has just been told of is served a round later: it follows its configuration.
"""

import os
import ssl
from collections.abc import Callable
from typing import NamedTuple

import anyio

from discovery.admission.certificate import Identity, end_of, fault, made
from discovery.admission.secret import Api, Names, read_secret, trust, write_secret
from discovery.log import ProblemLog, log_event
from discovery.problem import Problem
from discovery.sources.cluster.errors import ApiError, Conflict, Forbidden, NotFound, Unauthorized
from discovery.sources.cluster.watch import World

ROUND_S = 60.0
TRIES = 5  # of a round that conflicts each time
CURE = "apply manifests/components/admission, which has the webhook's objects and permissions with their reasons"


class _Served(NamedTuple):
    identity: Identity
    context: ssl.SSLContext


class Rotation:
    """The certificate in use. `wall` is Unix time in seconds."""

    def __init__(self, api: Api, names: Names, world: World, wall: Callable[[], float]) -> None:
        self._api = api
        self._names = names
        self._world = world
        self._wall = wall
        self._log = ProblemLog()
        self._served: _Served | None = None
        self.ready = anyio.Event()
        """Set once there is a certificate to serve with."""

    @property
    def context(self) -> ssl.SSLContext:
        """For new connections, once `ready`."""
        assert self._served is not None
        return self._served.context

    async def run(self) -> None:
        """Rounds until cancelled. Failures are logged and retried; the certificate in use stays in use."""
        while True:
            problems: tuple[Problem, ...] = ()
            try:
                await self.round()
            except ApiError as error:
                if isinstance(error, Unauthorized):
                    await self._api.reload_token()
                problems = (self._problem(error),)
            self._log.show(problems)
            # replicas that start at once do not stay in step
            await self._world.sleep(ROUND_S * (0.75 + 0.5 * self._world.random()))

    async def round(self) -> None:
        """Looks at everything once.

        Raises:
            ApiError: an object cannot be read or written.
        """
        left = TRIES
        while True:
            try:
                return await self._round_once()
            except Conflict:
                left -= 1
                if not left:
                    raise

    async def _round_once(self) -> None:
        version, identity = await read_secret(self._api, self._names)
        reason = fault(identity, self._names.host, self._wall()) if identity else "there is none"
        if identity is None or reason:
            # the one in use, too: the Secret may have been emptied
            before = (identity, self._served.identity if self._served else None)
            identity = made(self._names.host, self._wall(), *filter(None, before))
            await write_secret(self._api, self._names, identity, version)
            log_event("admission certificate made", reason=reason, until=f"{end_of(identity):%Y-%m-%d}")
        just_told = await trust(self._api, self._names, identity.authorities)
        if self._served is None or (identity != self._served.identity and not just_told):
            self._served = _Served(identity, context_of(identity))
            log_event("admission certificate in use", until=f"{end_of(identity):%Y-%m-%d}")
            self.ready.set()

    def _problem(self, error: ApiError) -> Problem:
        subject = f"admission webhook {self._names.configuration}"
        if isinstance(error, Forbidden | NotFound):
            return Problem(f"its Secret or configuration: {error}; {CURE}", subject=subject)
        return Problem(f"its certificate is not looked after, tried again: {error}", subject=subject)


def context_of(identity: Identity) -> ssl.SSLContext:
    """A server's context with this certificate. The key is in no file system: OpenSSL reads it from memory."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_alpn_protocols(["http/1.1"])
    file = os.memfd_create("certificate")
    try:
        with open(file, "wb", closefd=False) as writer:
            writer.write(identity.certificate + identity.key)
        context.load_cert_chain(f"/proc/self/fd/{file}")
    finally:
        os.close(file)
    return context
