"""docs/plugins.md: every block of code is run."""

from __future__ import annotations

import os
import sys
from datetime import UTC, datetime

import pytest
from ruamel.yaml import YAML

from gateway import registry
from gateway.store import Prefixed
from tests.docs.pages import ROOT, blocks
from tests.docs.running import run
from tests.gateway.serving import over


PLUGINS = {"naive", "redact", "counted", "brief", "patience", "pace"}
PIPELINES = [YAML(typ="safe").load(b.text)["pipeline"] for b in blocks("yaml", page="plugins.md")]
BY_PATH, BY_NAME = PIPELINES

pytestmark = pytest.mark.usefixtures("acme")


def asked(model: str, *said: str):
    return {"model": model, "messages": [{"role": "user", "content": text} for text in said]}


async def answer(gateway, body, status=200):
    async with gateway.post(body) as response:
        assert response.status == status
        return await response.json()


async def content(gateway, body):
    return (await answer(gateway, body))["choices"][0]["message"]["content"]


def changed(use: str, **settings):
    """The pipeline of names with other settings for one of them, and without the slow one."""
    steps = [step for step in BY_NAME if step["use"] != "pace"]
    return [{**step, "config": settings} if step["use"] == use else step for step in steps]


async def test_its_tests_pass(acme):
    """The page's tests are run as its readers would run them."""
    said = await run(sys.executable, "-m", "pytest", "-p", "no:cacheprovider", cwd=acme)

    assert " passed" in said


async def test_its_types_are_right(acme):
    """The page's code passes a strict type check."""
    pytest.importorskip("mypy")
    options = ("--strict", "--no-error-summary", "--cache-dir", str(acme / ".cache"))
    files = sorted({block.file for block in blocks("python", page="plugins.md")})

    await run(
        sys.executable,
        *("-m", "mypy", *options, *files),
        cwd=acme,
        **{**os.environ, "MYPYPATH": str(ROOT)},
    )


def test_all_of_them_are_installed():
    """The entry points lead to the classes."""
    found = {one.name: one for one in registry.installed() if one.origin == "acme-letta 1.0"}

    assert found.keys() == PLUGINS
    assert all(isinstance(one, registry.Found) for one in found.values())


def test_all_of_them_are_used():
    """The page's pipelines name each of them."""
    assert {step["use"] for step in BY_NAME} >= PLUGINS - {"naive", "redact"}
    assert "acme_letta.redact:Redact" in {step["use"] for step in BY_PATH}


async def test_naive(demo, tmp_path):
    """The first plugin of the page changes the answer."""
    steps = [
        {"use": "naive"} if step["use"].startswith("acme") else step  # it has no settings
        for step in BY_PATH
    ]
    async with over(demo.url, tmp_path, pipeline=steps) as gateway:
        said = await content(gateway, asked("Milo", "My secret is hunter2."))

    assert said == "Nice! Your secret is █: I will remember that."


async def test_redact(demo, tmp_path):
    """The second hides a word that comes in pieces."""
    async with over(demo.url, tmp_path, pipeline=BY_PATH) as gateway:
        said = await content(gateway, asked("Milo", "My secret is hunter2."))

    assert said == "Nice! Your secret is █: I will remember that."


async def test_counted(demo, tmp_path):
    """The third counts in the store."""
    async with over(demo.url, tmp_path, pipeline=changed("brief", characters=99)) as gateway:
        for _ in range(2):
            said = await content(gateway, asked("Milo", "My secret is hunter2."))
        key = f"{datetime.now(UTC):%Y-%m-%d}/anonymous"
        count = await Prefixed(gateway.gateway.store, "counted").read(key)

    assert said == "Nice! Your secret is █: I will remember that."
    assert count == b"2"


async def test_brief(demo, tmp_path):
    """The fourth refuses what is too long."""
    async with over(demo.url, tmp_path, pipeline=changed("brief", characters=3)) as gateway:
        refused = await answer(gateway, asked("Milo", "Hello"), status=400)

    assert refused["error"]["code"] == "message_too_long"


async def test_patience(demo, tmp_path):
    """The fifth asks a model that refuses a second time, and no third."""
    async with over(demo.url, tmp_path, pipeline=changed("patience", seconds=0)) as gateway:
        await answer(gateway, asked("Busy", "Are you there?"), status=429)

    assert len(demo.runs) == 2


async def test_pace(demo, tmp_path):
    """The sixth changes nothing but the time."""
    without = changed("pace")
    async with over(demo.url, tmp_path, pipeline=without) as gateway:
        plain = await content(gateway, asked("Milo", "Hello"))
    async with over(demo.url, tmp_path, pipeline=BY_NAME) as gateway:
        assert await content(gateway, asked("Milo", "Hello")) == plain
