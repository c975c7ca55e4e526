"""Who is there, as a log in the store says: everyone comes and goes by a word of its own."""

from __future__ import annotations

import attrs

from gateway.services import Store


# More than come and go while a log is kept; who stays says so again now and then.
LARGEST = 4000

_CAME, _WENT = b"+", b"-"


@attrs.frozen
class Roll:
    """
    The names of those who are there. All raise `StoreError`.

    The `ttl` of the last word is that of the whole roll: so those are forgotten who were killed.
    """

    store: Store
    name: str

    async def come(self, who: str, ttl: float) -> None:
        """It is there; to say so again lengthens that."""
        await self._say(_CAME, who, ttl)

    async def go(self, who: str, ttl: float) -> None:
        """It is not there any more."""
        await self._say(_WENT, who, ttl)

    async def there(self) -> set[str]:
        """All who are there."""
        there = set[str]()
        for _, word in await self.store.read_from(self.name, 0, wait=0):
            who = word[1:].decode()
            if word[:1] == _CAME:
                there.add(who)
            else:
                there.discard(who)
        return there

    async def _say(self, word: bytes, who: str, ttl: float) -> None:
        await self.store.append(self.name, [word + who.encode()], ttl=ttl, limit=LARGEST)
