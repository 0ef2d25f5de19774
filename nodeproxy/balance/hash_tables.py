"""Tables of consistent hashing: from a key's hash to one endpoint, the same in every worker of every node.

When an endpoint comes or goes, only the keys move that come to it or have lost it. A table depends on the endpoints'
names alone, not on their order.
"""

from array import array
from bisect import bisect_right
from collections.abc import Sequence
from hashlib import blake2b
from struct import unpack
from typing import Generic, Protocol, TypeVar

_WORD = (1 << 64) - 1
_ODD, _OTHER = 0xBF58476D1CE4E5B9, 0x94D049BB133111EB  # splitmix64's constants
_POINTS = 8  # points of a ring from one digest of 64 bytes


class Named(Protocol):
    """An endpoint with a name that is the same in every worker."""

    @property
    def name(self) -> str: ...


Member = TypeVar("Member", bound=Named)
Covariant = TypeVar("Covariant", covariant=True)


class HashTable(Protocol[Covariant]):
    """Finds the member of a 64-bit hash."""

    def pick(self, number: int) -> Covariant: ...


def hash_of(key: bytes) -> int:
    """64 bits of `key`, the same in every process."""
    return int.from_bytes(blake2b(key, digest_size=8).digest(), "little")


def mixed(number: int) -> int:
    """64 bits that look independent of those of `number`. Source: S. Vigna, splitmix64."""
    number = ((number ^ (number >> 30)) * _ODD) & _WORD
    number = ((number ^ (number >> 27)) * _OTHER) & _WORD
    return number ^ (number >> 31)


class SlotTable(Generic[Member]):
    """A table of `size` slots, each with the member whose hash with the slot is highest: `algorithm: maglev`.

    Look-up and memory are those of Maglev's table: one index of two bytes per slot. Its way of filling them is not
    Maglev's, which takes 30 to 50 ms for 65,537 slots whenever an endpoint changes: a slot is filled when it is first
    asked for. So a slot moves only when its own member goes or a new one wins it, where Maglev also moves a few others;
    and a member's number of slots is even within sqrt(n/size), 1 % for 5 and 4 % for 100 members, where Maglev's
    differ by 1.

    Source: D. Eisenbud et al., Maglev, 2016, 3.4 (the table); D. Thaler, C. Ravishankar, Using Name-Based Mappings to
    Increase Hit Rates, 1998 (rendezvous hashing).
    """

    __slots__ = ("_members", "_seeds", "_size", "_slots")

    def __init__(self, members: Sequence[Member], size: int) -> None:
        self._members = members
        self._size = size
        self._seeds = [hash_of(member.name.encode()) for member in members]
        kind = "H" if len(members) < 0xFFFF else "L"
        self._slots = array(kind, bytes(array(kind).itemsize * size))  # 0: not filled; else one more than the index

    def pick(self, number: int) -> Member:
        """See HashTable."""
        slot = number % self._size
        index = self._slots[slot]
        if not index:
            index = self._slots[slot] = self._highest(slot) + 1
        return self._members[index - 1]

    def _highest(self, slot: int) -> int:
        spread = mixed(slot + 1)
        best, highest = 0, -1
        for index, seed in enumerate(self._seeds):
            number = ((seed ^ spread) * _ODD) & _WORD  # `mixed`, shortened: this loop is all that filling costs
            number = ((number ^ (number >> 32)) * _OTHER) & _WORD
            if number > highest:
                best, highest = index, number
        return best


class Ring(Generic[Member]):
    """A ring of at least `least_size` points, the same number of each member: `algorithm: ring`.

    It has at most twice as many. The number of a member's points changes, and some other keys with it, where the number
    of members passes a power of two.

    Source: Envoy, ring_hash; D. Karger et al., Consistent Hashing and Random Trees, 1997.
    """

    __slots__ = ("_members", "_owners", "_points")

    def __init__(self, members: Sequence[Member], least_size: int) -> None:
        self._members = members
        each = -(-least_size // (_POINTS << (len(members).bit_length() - 1)))
        ring = []
        for index, member in enumerate(members):
            for number in range(each):
                digest = blake2b(f"{member.name} {number}".encode()).digest()
                ring += [(point, member.name, index) for point in unpack("<8Q", digest)]
        ring.sort()
        self._points = [point for point, _, _ in ring]
        self._owners = array("L", [index for _, _, index in ring])

    def pick(self, number: int) -> Member:
        """See HashTable."""
        return self._members[self._owners[bisect_right(self._points, number) % len(self._owners)]]
