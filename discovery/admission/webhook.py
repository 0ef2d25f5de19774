"""The webhook as a whole: its certificate, and its server as soon as there is one."""

import time
from functools import partial
from typing import NamedTuple

import anyio

from discovery.admission.review import reviewed
from discovery.admission.rotation import Rotation
from discovery.admission.secret import Api, Names
from discovery.admission.server import ReviewServer
from discovery.kubernetes.objects import Ref
from discovery.sources.cluster.watch import World
from nodeproxy.policies.registry import Registry
from nodeproxy.policies.table import settings_of


class Where(NamedTuple):
    """The address to serve at, the names of the webhook's objects, the mesh-wide policy map, and the policies."""

    host: str
    port: int
    names: Names
    mesh_map: Ref
    registry: Registry


async def run(api: Api, where: Where, world: World) -> None:
    """Serves reviews until cancelled."""
    rotation = Rotation(api, where.names, world, time.time)
    validate = partial(settings_of, registry=where.registry)
    review = partial(reviewed, mesh_map=where.mesh_map, validate=validate)
    server = ReviewServer(lambda: rotation.context, review)
    async with anyio.create_task_group() as group:
        group.start_soon(rotation.run)
        await rotation.ready.wait()
        await server.serve(where.host, where.port)
