"""A board that all workers and their parent can read: memory that they share since the fork.

Each worker has a place of its own, where nobody else writes while it lives: how many
connections it has, and two leaves for what it tells. It writes on one while the other can be
read, so that nothing is lost when it is killed in the middle. By a bell it is asked to write
down what it has counted by now.
"""

from __future__ import annotations

import asyncio
import mmap
import os
import struct
import zlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress

import attrs


# Of what one worker tells. Only what is written takes memory.
LEAF = 8 * 1024 * 1024

CONNECTIONS = struct.Struct("q")
HEAD = struct.Struct("QQQ")  # which writing it is, how long, its checksum

PLACE = mmap.PAGESIZE + 2 * LEAF

# A worker that takes no connections.
AWAY = -1

# How often it is looked whether a worker has answered the bell: for a quarter of a second.
LOOK_SECONDS = 0.0025
LOOKS = 100


@attrs.define
class Board:
    """For workers with the numbers 1 to `workers`."""

    workers: int
    _memory: mmap.mmap = attrs.field(init=False)
    _bells: Mapping[int, tuple[int, int]] = attrs.field(init=False)

    def __attrs_post_init__(self) -> None:
        self._memory = mmap.mmap(-1, self.workers * PLACE)
        self._bells = {worker: _bell() for worker in self._all()}
        for worker in self._all():
            self.has(worker, AWAY)

    def has(self, worker: int, connections: int) -> None:
        """The worker has so many connections, or is `AWAY`."""
        CONNECTIONS.pack_into(self._memory, self._place(worker), connections)

    def fewest(self, but: int) -> int | None:
        """The fewest that a worker has, this one not counted; None if all others are away."""
        return min(map(self._connections, self._others(but)), default=None)

    def tell(self, worker: int, words: bytes) -> None:
        """
        Put this in the place of what the worker has told before.

        Raises:
            ValueError: It is too long.
        """
        if len(words) > LEAF - HEAD.size:
            raise ValueError(f"{len(words)} bytes are too many for the workers' board")
        last = self._newest(worker)
        leaf = self._leaf(worker, (last + 1) % 2)
        self._memory[leaf + HEAD.size : leaf + HEAD.size + len(words)] = words
        HEAD.pack_into(self._memory, leaf, last + 1, len(words), zlib.crc32(words))

    def told(self) -> Mapping[int, bytes]:
        """What each of them has told, the dead included."""
        return {worker: self._told(worker) for worker in self._all()}

    @contextmanager
    def heeding(self, worker: int, told: Callable[[], None]) -> Iterator[None]:
        """`told` is called when somebody wants to know what the worker has to tell."""
        loop, bell = asyncio.get_running_loop(), self._bells[worker][0]

        def rung() -> None:
            os.read(bell, 4096)
            told()

        loop.add_reader(bell, rung)
        try:
            yield
        finally:
            loop.remove_reader(bell)

    async def ring(self, by: int) -> None:
        """Have the others tell what there is now. One that does nothing is not waited for long."""
        before = {each: self._newest(each) for each in self._others(by)}
        for each in before:
            with suppress(BlockingIOError):  # it has been rung for often, and does nothing
                os.write(self._bells[each][1], b"!")
        for _ in range(LOOKS):
            if all(self._newest(each) != last for each, last in before.items()):
                return
            await asyncio.sleep(LOOK_SECONDS)

    def _others(self, but: int) -> list[int]:
        """Those that take connections."""
        return [each for each in self._all() if each != but and self._connections(each) != AWAY]

    def _told(self, worker: int) -> bytes:
        """The newest that is whole: one of the leaves may be being written."""
        newest = sorted((0, 1), key=lambda leaf: self._last(worker, leaf), reverse=True)
        for leaf in (self._leaf(worker, each) for each in newest):
            _, length, checksum = HEAD.unpack_from(self._memory, leaf)
            words = self._memory[leaf + HEAD.size : leaf + HEAD.size + length]
            if zlib.crc32(words) == checksum:
                return words
        return b""

    def _newest(self, worker: int) -> int:
        return max(self._last(worker, leaf) for leaf in (0, 1))

    def _last(self, worker: int, leaf: int) -> int:
        writing: int = HEAD.unpack_from(self._memory, self._leaf(worker, leaf))[0]
        return writing

    def _connections(self, worker: int) -> int:
        connections: int = CONNECTIONS.unpack_from(self._memory, self._place(worker))[0]
        return connections

    def _leaf(self, worker: int, leaf: int) -> int:
        return self._place(worker) + mmap.PAGESIZE + leaf * LEAF

    def _place(self, worker: int) -> int:
        return (worker - 1) * PLACE

    def _all(self) -> range:
        return range(1, self.workers + 1)


def _bell() -> tuple[int, int]:
    listens, rings = os.pipe()
    os.set_blocking(listens, False)
    os.set_blocking(rings, False)
    return listens, rings
