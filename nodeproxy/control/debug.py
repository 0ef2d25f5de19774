"""The page /debug: watches, subscriptions, endpoints and callers of this node, for an operator who misses a service."""

import msgspec

from nodeproxy.table.builder import Live

SERVICES_MOST = 500  # subscribed services shown, by name; rendering all of them would delay requests


def overview(live: Live, now: float) -> bytes:
    """The state of `live` at `now` (monotonic seconds) as indented JSON."""
    subscribed = sorted(
        key for key, ports in live.table.routes.items() if any(not r.service.unsubscribed for r in ports.values())
    )
    view = {
        "table": {
            "age_s": None if live.confirmed_at is None else round(now - live.confirmed_at, 3),
            "services": len(live.table.routes),
            "unsubscribed": len(live.table.routes) - len(subscribed),
        },
        "watches": live.watches,
        "wanted": {
            key: {"since_s": round(now - use.since), "last_seen_in_use_s": round(now - use.seen)}
            for key, use in sorted(live.subscriptions)
        },
        "endpoints": {
            key: {port: route.port.endpoints for port, route in live.table.routes[key].items()}
            for key in subscribed[:SERVICES_MOST]
        },
        "callers": {address: "/".join(known.labels) for address, known in sorted(live.callers.known.items())},
    }
    return msgspec.json.format(msgspec.json.encode(view), indent=2) + b"\n"
