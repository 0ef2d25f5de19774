"""The queue of what moves large amounts: each has its turn once, however often it is put."""

from nodeproxy.io.bulk import HELD_BYTES, PIECE_BYTES, SMALL_BYTES


class Moving:
    share = None

    def __init__(self):
        self.queued = False
        self.rooms = []

    def transfer(self, buffer):
        self.rooms.append(len(buffer))


async def test_what_is_put_twice_has_one_turn(world):
    one = Moving()
    world.reactor.bulk.put(one)
    world.reactor.bulk.put(one)
    await world.settle()
    assert len(one.rooms) == 1 and not one.queued

    world.reactor.bulk.put(one)
    await world.settle()

    assert one.rooms == [PIECE_BYTES, PIECE_BYTES]


async def test_pieces_are_small_while_much_is_held(world):
    one, bulk = Moving(), world.reactor.bulk
    for held in (HELD_BYTES - 1, HELD_BYTES):
        bulk.held_bytes = held
        bulk.put(one)
        await world.settle()

    assert one.rooms == [PIECE_BYTES, SMALL_BYTES]
