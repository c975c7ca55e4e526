"""Signed ids."""

from __future__ import annotations

import pytest

from gateway.store.memory import MemoryStore
from gateway.surfaces.responses.ids import Ids, secret_of


TOKEN = "0123456789abcdef" * 2
IDS = Ids(b"secret", "ada")


def test_whoever_was_given_it() -> None:
    """The caller who got an id can use it."""
    given = IDS.sign("resp", TOKEN)
    assert given.startswith("resp_")
    assert IDS.token("resp", given) == TOKEN


@pytest.mark.parametrize("others", [Ids(b"secret", "bob"), Ids(b"other", "ada")])
def test_others(others: Ids) -> None:
    """Another caller cannot, nor can one of another gateway."""
    assert others.token("resp", IDS.sign("resp", TOKEN)) is None


def test_every_character_counts() -> None:
    """An id that was changed anywhere is none."""
    given = IDS.sign("resp", TOKEN)
    for i in range(len(given)):
        changed = given[:i] + ("0" if given[i] != "0" else "1") + given[i + 1 :]
        assert IDS.token("resp", changed) is None
    for other in (given + "\n", given + "0", given[:-1], "", given.upper(), "é" * 53):
        assert IDS.token("resp", other) is None


def test_kinds_are_not_the_same() -> None:
    """A response is no conversation."""
    given = IDS.sign("conv", TOKEN)
    assert IDS.token("conv", given) == TOKEN
    assert IDS.token("resp", given) is None
    assert IDS.token("resp", given.replace("conv", "resp")) is None


async def test_all_who_share_a_store_sign_alike() -> None:
    """Any process knows what another gave out; with another store it is another secret."""
    store = MemoryStore()
    secret = await secret_of(store)
    assert len(secret) == 32
    assert await secret_of(store) == secret
    assert await secret_of(MemoryStore()) != secret
