"""examples/: each is a package that passes its own tests, and works in a gateway."""

from __future__ import annotations

import os
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from ruamel.yaml import YAML

from gateway.config.describe import settings_of
from gateway.registry import find
from gateway.testing.fakeletta import FakeLetta, ServerTool, Step, ToolUse
from tests.docs.pages import FENCED, ROOT
from tests.docs.running import run
from tests.gateway.serving import over


EXAMPLES = sorted(path.parent for path in (ROOT / "examples").glob("*/pyproject.toml"))
KEY = "sk-" + "a1B2" * 8
USER: Any = [{"role": "user", "content": "Hi"}]

pytestmark = pytest.mark.usefixtures("_importable")


@pytest.fixture
def _importable(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """All of them can be imported, as if they were installed."""
    for example in EXAMPLES:
        monkeypatch.syspath_prepend(example)
    yield
    for name in [name for name in sys.modules if name.partition(".")[0] in map(package, EXAMPLES)]:
        del sys.modules[name]


def package(example: Path) -> str:
    (name,) = project(example)["tool"]["setuptools"]["packages"]
    return str(name)


def project(example: Path) -> Any:
    return tomllib.loads((example / "pyproject.toml").read_text(encoding="utf-8"))


def entry(example: Path) -> tuple[str, str]:
    """The plugin's name, and its path."""
    ((name, path),) = project(example)["project"]["entry-points"]["letta_gateway.plugins"].items()
    return name, path


def shown_pipeline(example: Path) -> list[Any]:
    """The pipeline that its README shows; the plugin itself by its path: it is not installed."""
    name, path = entry(example)
    text = (example / "README.md").read_text(encoding="utf-8")
    (yaml,) = (text for language, text in FENCED.findall(text) if language == "yaml")
    steps = YAML(typ="safe").load(yaml)["pipeline"]
    return [{**step, "use": path} if step["use"] == name else step for step in steps]


def test_there_are_some() -> None:
    """Without this a folder that moves would leave nothing to test."""
    assert [path.name for path in EXAMPLES] == [
        "cost_meter",
        "moderation",
        "redactor",
        "status_lines",
    ]


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda path: path.name)
async def test_its_tests_pass(example: Path) -> None:
    """Its own tests are run as its author would run them."""
    said = await run(
        *(sys.executable, "-m", "pytest", "-p", "no:cacheprovider"),
        cwd=example,
        **{**os.environ, "PYTHONDONTWRITEBYTECODE": "1"},
    )

    assert " passed" in said


async def test_their_types_are_right(tmp_path: Path) -> None:
    """They and their tests pass a strict type check, as authors see the gateway."""
    pytest.importorskip("mypy")
    paths = os.pathsep.join(map(str, [ROOT, *EXAMPLES]))
    options = ("--strict", "--follow-imports", "silent", "--cache-dir", tmp_path)
    files = [
        path for example in EXAMPLES for path in (example / package(example), example / "tests")
    ]
    await run(
        *(sys.executable, "-m", "mypy", *options, *files),
        cwd=tmp_path,
        **{**os.environ, "MYPYPATH": paths},
    )


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda path: path.name)
def test_it_is_described(example: Path) -> None:
    """`letta-gateway plugins` has something to print: of the plugin, and of each setting."""
    found = find(entry(example)[1])

    assert found.plugin_class.__doc__
    assert all(setting.help for setting in settings_of(found.plugin_class.config_class()))


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda path: path.name)
async def test_what_its_readme_shows(example: Path, tmp_path: Path) -> None:
    """The README's pipeline is one that a gateway starts with."""
    steps = shown_pipeline(example)
    for step in steps:
        if "api_key" in step.get("config", {}):
            step["config"]["api_key"] = "sk-test"
    async with (
        FakeLetta() as letta,
        over(letta.url, tmp_path, pipeline=steps) as gateway,
        gateway.get("/v1/models") as response,
    ):
        assert response.status == 200


async def asked(gateway: Any, *, stream: bool = False) -> Any:
    """The answer of a whole gateway, in the official client's terms."""
    async with gateway.openai() as client:
        answer = await client.chat.completions.create(model="Milo", messages=USER, stream=stream)
        return [chunk async for chunk in answer] if stream else answer.choices[0]


async def test_redactor(tmp_path: Path) -> None:
    """A key that the agent says is masked."""
    steps = shown_pipeline(ROOT / "examples" / "redactor")
    async with FakeLetta() as letta:
        letta.add_agent("Milo", script=lambda _: [Step(f"The key is {KEY}.", n=3)])
        async with over(letta.url, tmp_path, pipeline=steps) as gateway:
            answer = await asked(gateway)

    assert answer.message.content == "The key is [redacted]."


async def test_moderation(tmp_path: Path) -> None:
    """An answer stops at the first sentence that is flagged; the next one is whole again."""

    async def judge(request: web.Request) -> web.Response:
        flagged = "bad" in (await request.json())["input"]
        return web.json_response({"results": [{"flagged": flagged}]})

    app = web.Application()
    app.router.add_post("/judge", judge)
    steps = shown_pipeline(ROOT / "examples" / "moderation")
    texts = iter(["Good. A bad one. Good.", "Good again."])
    async with TestServer(app) as server, FakeLetta() as letta:
        letta.add_agent("Milo", script=lambda _: [Step(next(texts), n=3)])
        (step,) = (step for step in steps if "letta_moderation" in step["use"])
        step["config"] = {"url": str(server.make_url("/judge"))}
        async with over(letta.url, tmp_path, pipeline=steps) as gateway:
            stopped, whole = await asked(gateway), await asked(gateway)

    assert stopped.finish_reason == "content_filter"
    assert stopped.message.content == "Good. \n\n(The rest of this answer is withheld.)"
    assert (whole.finish_reason, whole.message.content) == ("stop", "Good again.")


async def test_status_lines(tmp_path: Path) -> None:
    """What the agent does is said in words, in the stream."""
    steps = shown_pipeline(ROOT / "examples" / "status_lines")
    use = ToolUse("archival_memory_search", {"query": "cats"})
    script = [Step("Let me think.", tools=(use,)), Step("Milo.")]
    async with FakeLetta() as letta:
        tool = ServerTool("archival_memory_search", lambda **_: "Milo is a cat")
        letta.add_agent("Milo", tools=[tool], script=script)
        async with over(letta.url, tmp_path, pipeline=steps) as gateway:
            chunks = await asked(gateway, stream=True)

    text = "".join(chunk.choices[0].delta.content or "" for chunk in chunks)
    lines = "⚙ Working…\n\n⚙ Searching my memory for “cats”…"
    assert text == f"Let me think.\n\n{lines}\n\nMilo."


async def test_cost_meter(tmp_path: Path) -> None:
    """A caller sees what its answers cost."""
    steps = shown_pipeline(ROOT / "examples" / "cost_meter")
    async with FakeLetta() as letta:
        letta.add_agent("Milo")
        async with over(letta.url, tmp_path, pipeline=steps) as gateway:
            await asked(gateway)
            await asked(gateway)
            async with gateway.openai() as client:
                (mine,) = (await client.models.list()).data
            async with gateway.openai(key="sk-other") as client:
                (theirs,) = (await client.models.list()).data

    assert mine.spent["answers"] == 2
    assert mine.spent["prompt_tokens"] > 0
    assert mine.spent["amount"] > 0
    assert theirs.spent["answers"] == 0
