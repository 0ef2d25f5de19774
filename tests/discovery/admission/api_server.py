"""A scripted API server with the Secret and the configuration of the webhook, and a clock of the test."""

import json

import anyio

from discovery.admission.secret import Names
from discovery.sources.cluster.errors import Conflict, NotFound
from discovery.sources.cluster.watch import World

NAMES = Names("nodeproxy", "nodeproxy-admission", "nodeproxy-policy")


class ApiServer:
    """Objects by path, with versions. `refusals` are raised by the next writes, one each; `writes` has their paths."""

    def __init__(self):
        self.objects = {}
        self.refusals = []
        self.writes = []
        self.tokens_read = 0
        self._version = 0
        self.put(NAMES.secret_path, {})
        hooks = [{"name": name, "clientConfig": {"service": {}}, "timeoutSeconds": 2} for name in "ab"]
        self.put(NAMES.configuration_path, {"webhooks": hooks})

    def put(self, path, value):
        self._version += 1
        self.objects[path] = {**value, "metadata": {"resourceVersion": str(self._version)}}

    @property
    def secret(self):
        return self.objects[NAMES.secret_path].get("data", {})

    @property
    def bundles(self):
        return [each["clientConfig"].get("caBundle") for each in self.objects[NAMES.configuration_path]["webhooks"]]

    async def read(self, path, query):
        await anyio.lowlevel.checkpoint()
        if path not in self.objects:
            raise NotFound(f"{path} not found")
        return json.dumps(self.objects[path]).encode()

    async def merge(self, path, patch):
        await anyio.lowlevel.checkpoint()
        if self.refusals:
            raise self.refusals.pop(0)
        if patch["metadata"]["resourceVersion"] != self.objects[path]["metadata"]["resourceVersion"]:
            raise Conflict("the object has been modified")
        self.writes.append(path)
        self.put(path, {**self.objects[path], **patch})

    async def reload_token(self):
        self.tokens_read += 1


class Clock:
    """Time that passes when the test says so; `run` ends after `rounds` sleeps."""

    def __init__(self, wall=1_800_000_000.0, rounds=1):
        self.wall, self.rounds = wall, rounds

    async def sleep(self, seconds):
        self.wall += seconds
        self.rounds -= 1
        if not self.rounds:
            raise EndOfTest

    @property
    def world(self):
        return World(self.sleep, lambda: self.wall, lambda: 0.5)


class EndOfTest(Exception):
    """Enough rounds."""
