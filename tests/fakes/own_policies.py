"""Custom policies as a package may have them: good ones, and each mistake that one can make."""

import asyncio
from dataclasses import replace

from pydantic import ConfigDict, model_validator

from nodeproxy.errors import ProxyError
from nodeproxy.policies.block import Policy, PolicySettings
from nodeproxy.protocol.fields import Fields
from nodeproxy.protocol.message import Response


class StampSettings(PolicySettings):
    """Sets a field of every response."""

    value: str = "stamped"


class Refused(ProxyError):
    """What a custom policy refuses on purpose."""

    status = 403
    reason = "not-today"


def stamp(_exchange, response, settings):
    response.fields.set(b"x-stamp", settings.value.encode())


def bug(*_):
    raise ZeroDivisionError("a secret of the package")


def leave(*_):
    raise SystemExit(3)


def refuse(*_):
    raise Refused("come back tomorrow")


async def never(*_):
    """What somebody writes who has not read that on_request does not wait."""


def around(step):
    """A policy whose handler is `step(inner, exchange, tools)`, a coroutine function."""

    def wrap(_settings, inner, tools, _state):
        return lambda exchange: step(inner, exchange, tools)

    return policy(wrap=wrap)


def policy(**functions):
    return Policy("stamp", StampSettings, **functions)


async def passes(inner, exchange, _tools):
    return await inner(exchange)


async def bug_before(*_):
    bug()


async def bug_after(inner, exchange, _tools):
    await inner(exchange)
    bug()


async def returns_text(inner, exchange, _tools):
    await inner(exchange)
    return "200 OK"


async def refuses(*_):
    refuse()


async def waits_for_asyncio(*_):
    future = asyncio.Future(loop=LOOP)
    await future


async def answers_itself(_inner, _exchange, _tools):
    return Response(204, Fields(), 0)


async def waits(inner, exchange, tools):
    await tools.sleep(3.0)
    return await inner(exchange)


class NoLoop:
    """As much of an event loop as a future of asyncio looks at."""

    def get_debug(self):
        return False


LOOP = NoLoop()
STAMP = policy(on_response=stamp)
OTHER_NAME = replace(STAMP, name="other")
DOES_NOTHING = policy()
DATAGRAMS = policy(on_request=bug, touches=("datagrams",))
TEXT = "no policy"
NO_SETTINGS = Policy("stamp", dict, on_request=bug)


class NeedsValueSettings(PolicySettings):
    """Has no default."""

    value: str


NO_DEFAULTS = Policy("stamp", NeedsValueSettings, on_request=bug, default=True)


class AnySettings(PolicySettings):
    """A field whose type cannot be written in YAML."""

    model_config = ConfigDict(arbitrary_types_allowed=True)
    call: NoLoop = LOOP


NO_SCHEMA = Policy("stamp", AnySettings, on_request=bug)


class CrashingSettings(PolicySettings):
    """A validator with a bug."""

    @model_validator(mode="after")
    def _bug(self):
        raise KeyError("colour")


CRASHING = Policy("stamp", CrashingSettings, on_response=stamp)
