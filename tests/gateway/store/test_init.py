"""Opening a store from the settings, and the view of it that a plugin has."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from gateway.errors import StartError
from gateway.services import Store
from gateway.store import Prefixed, open_store
from gateway.store.memory import MemoryStore


def test_sqlite_needs_a_path():
    """A sqlite store without a file is refused with the name of the setting."""
    with pytest.raises(StartError, match=r"store\.path"):
        open_store("sqlite")


async def test_sqlite_is_in_the_file(tmp_path: Path):
    """What is put into a sqlite store is there when it is opened again."""
    path = tmp_path / "gateway.db"
    async with open_store("sqlite", path=path) as store:
        await store.put("key", b"value", ttl=3600)
    async with open_store("sqlite", path=path) as store:
        assert await store.read("key") == b"value"


def test_redis_needs_a_url():
    """A redis store without an address is refused with the name of the setting."""
    with pytest.raises(StartError, match=r"store\.url"):
        open_store("redis", url="")


def test_redis_needs_its_package(monkeypatch: pytest.MonkeyPatch):
    """Without the redis package the message says which extra brings it."""
    monkeypatch.setitem(sys.modules, "redis", None)
    monkeypatch.delitem(sys.modules, "gateway.store.redis", raising=False)
    with pytest.raises(StartError, match=r"pip install 'letta-gateway\[redis\]'"):
        open_store("redis", url="redis://127.0.0.1:6379/0")


def test_redis_is_loaded_only_when_it_is_used():
    """Whoever names another store needs no redis package."""
    program = "import sys, gateway.store; sys.exit('redis' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0


async def test_a_prefix_is_a_store():
    """Through a prefix everything works as without."""
    view: Store = Prefixed(MemoryStore(), "step")
    await view.put("key", b"value", ttl=10)
    assert await view.put_if_absent("key", b"other", ttl=10) is False
    assert await view.read("key") == b"value"
    assert await view.take("key") == b"value"
    assert await view.put_if_absent("key", b"other", ttl=10) is True
    held = await view.lease("lane", wait=0, queue=0)
    assert held is not None
    assert await view.lease("lane", wait=0, queue=0) is None


@pytest.mark.parametrize(
    ("one", "key", "other", "same"),
    [
        ("a", "b", "ab", ""),
        ("a", "b/c", "a/b", "c"),
        ("a/b", "c", "a%2Fb", "c"),
        ("a", "/b", "a/", "b"),
        ("", "a/b", "a", "b"),
        ("pkg.mod:Step", "key", "pkg.mod", "Step/key"),
    ],
)
async def test_prefixes_never_meet(one: str, key: str, other: str, same: str):
    """Two steps share no key and no lease, whatever they are called and whatever they ask for."""
    store = MemoryStore()
    await Prefixed(store, one).put(key, b"value", ttl=10)
    assert await Prefixed(store, other).read(same) is None
    assert await Prefixed(store, one).lease(key, wait=0, queue=0) is not None
    assert await Prefixed(store, other).lease(same, wait=0, queue=0) is not None


async def test_equal_prefixes_see_the_same():
    """A step that is built anew finds what it had."""
    store = MemoryStore()
    await Prefixed(store, "step").put("key", b"value", ttl=10)
    assert await Prefixed(store, "step").read("key") == b"value"
