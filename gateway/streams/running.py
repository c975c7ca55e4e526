"""The streams that run in this process."""

from __future__ import annotations

import asyncio
from contextlib import ExitStack

import attrs

from gateway.services import Spawn
from gateway.streams.claims import Key
from gateway.streams.journal import Journal
from gateway.streams.kept import Ended
from gateway.streams.opening import Asked, Opening


@attrs.define
class Running:
    """By the names of their places."""

    opening: Opening
    spawn: Spawn
    _journals: dict[str, Journal] = attrs.field(init=False, factory=dict)
    _entering: set[asyncio.Task[Journal | str]] = attrs.field(init=False, factory=set)

    def get(self, name: str) -> Journal | None:
        """The stream of this name, if it runs here."""
        return self._journals.get(name)

    def stop(self, name: str) -> bool:
        """Interrupt the stream of this name, if it runs here; whether it does."""
        journal = self._journals.get(name)
        if journal is not None:
            journal.interrupt()
        return journal is not None

    def make_way(self, name: str) -> bool:
        """Let it end if nobody reads it, and if it runs here; whether it does."""
        journal = self._journals.get(name)
        if journal is not None:
            journal.make_way()
        return journal is not None

    def forget(self, name: str) -> None:
        """To whoever looks for it from now on it is not here."""
        self._journals.pop(name, None)

    async def begin(self, asked: Asked) -> Journal | str:
        """
        A stream that runs now, or the id of the one that the key stands for.

        Raises:
            Reject: The key stands for another request.
            StoreError: The store does not answer.
        """
        # By itself: who leaves in between must not leave a claim behind that nobody runs.
        used = ExitStack()
        used.enter_context(asked.answers.in_use())
        entering = asyncio.create_task(self._enter(asked, used))
        self._entering.add(entering)
        entering.add_done_callback(self._entering.discard)
        return await asyncio.shield(entering)

    async def close(self) -> None:
        """Give all of them up."""
        if self._entering:
            await asyncio.wait(self._entering)
        for journal in self._journals.values():
            self.spawn(journal.give_up())

    async def _enter(self, asked: Asked, used: ExitStack) -> Journal | str:
        with used:
            while True:
                if asked.key is not None and (found := await self._claimed(asked.key)) is not None:
                    return found
                if (journal := await self.opening.journal(asked)) is not None:
                    self._journals[journal.place.name] = journal
                    self.spawn(self._run(journal, asked.keep.ended, used.pop_all()))
                    return journal

    async def _claimed(self, key: Key) -> str | None:
        """The id of the stream that a key stands for, also if the store has lost all it had."""
        if (found := await key.claimed()) is not None:
            return found
        for journal in self._journals.values():
            if journal.key is not None and key.is_of(journal.key):
                journal.keep_anew()
                return journal.head.id
        return None

    async def _run(self, journal: Journal, ended: Ended | None, used: ExitStack) -> None:
        with used:
            try:
                await journal.run()
                if ended is not None:
                    await ended(journal.head.id)
            finally:
                self.forget(journal.place.name)
