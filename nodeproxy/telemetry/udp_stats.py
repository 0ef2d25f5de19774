"""The numbers of one UDP service port in one worker."""

from collections import defaultdict


class UdpStats:
    """Plain counters that the hot lane increments."""

    __slots__ = (
        "active", "bytes_to_client", "bytes_to_endpoint", "datagrams_to_client", "datagrams_to_endpoint", "dropped",
        "sessions",
    )  # fmt: skip

    def __init__(self) -> None:
        self.active = 0
        """Sessions now."""
        self.sessions: defaultdict[tuple[str, tuple[str, str]], int] = defaultdict(int)
        """Sessions that have ended, by why and by caller."""
        self.datagrams_to_endpoint = 0
        self.bytes_to_endpoint = 0
        self.datagrams_to_client = 0
        self.bytes_to_client = 0
        self.dropped: defaultdict[str, int] = defaultdict(int)
        """Datagrams that were not passed on, by why."""

    @property
    def mark(self) -> tuple[int, ...]:
        """A value that differs when any number has changed; cheap."""
        ended, dropped = sum(self.sessions.values()), sum(self.dropped.values())
        return self.active, ended, dropped, self.datagrams_to_endpoint, self.datagrams_to_client
