from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import attrs
import pytest
from click.testing import CliRunner, Result

from gateway.call import Call
from gateway.cli import main
from gateway.errors import Reject
from gateway.events import Event, Finish
from gateway.plugin import Context, NoConfig, Plugin, Services, Store, Turn


class Quota(Plugin[NoConfig]):
    """Two requests, for ever."""

    @asynccontextmanager
    async def lifespan(self, services: Services) -> AsyncIterator[None]:
        self.store = services.store
        yield

    def begin(self, context: Context) -> Turn:
        return QuotaTurn(self.store)


@attrs.define
class QuotaTurn(Turn):
    store: Store

    async def prepare(self, call: Call) -> Call:
        used = int(await self.store.read("used") or b"0")
        if used == 2:
            raise Reject(429, "quota", "Enough.")
        await self.store.put("used", str(used + 1).encode(), ttl=60.0)
        return call


class Failing(Plugin[NoConfig]):
    """Breaks every answer."""

    def begin(self, context: Context) -> Turn:
        return FailingTurn()


class FailingTurn(Turn):
    def feed(self, event: Event) -> list[Event]:
        raise RuntimeError("no luck")


class Unsettled(Plugin[NoConfig]):
    """Breaks it at its very end."""

    def begin(self, context: Context) -> Turn:
        return UnsettledTurn()


class UnsettledTurn(Turn):
    def feed(self, event: Event) -> list[Event]:
        return [Finish("length")] if isinstance(event, Finish) else [event]

    async def settle(self) -> None:
        raise RuntimeError("no luck")


def through(tmp_path, name, **more):
    """The options for a pipeline with this plugin alone."""
    file = tmp_path / "gateway.yaml"
    file.write_text(json.dumps({"pipeline": [{"use": f"{__name__}:{name}", "id": name, **more}]}))
    return "--config", file


def replay(*arguments, **environ) -> Result:
    names = ("LETTA_BASE_URL", "LETTA_API_KEY", "LETTA_GATEWAY_KEY", "LETTA_GATEWAY_CONFIG")
    env = {**dict.fromkeys(names), "COLUMNS": "100", **environ}
    result = CliRunner().invoke(main, ["replay", *map(str, arguments)], env=env)
    assert result.exception is None or isinstance(result.exception, SystemExit)
    return result


def test_a_recording():
    """What is replayed is named, and shown."""
    result = replay("v1-bsn-tok")

    assert result.exit_code == 0
    assert result.stdout.startswith("v1-bsn-tok: 9 events of a letta_v1_agent\n\nLetta ")
    assert result.stderr == ""


def test_time():
    """With --time, each step's cost stands below."""
    result = replay("v1-plain-step", "--time")

    assert "µs per event" in result.stdout
    assert "median of " in result.stdout


def test_time_of_a_plugin_that_remembers(tmp_path):
    """Each replay is the first one to the plugins."""
    result = replay("v1-plain-step", "--time", *through(tmp_path, "Quota"))

    assert (result.exit_code, result.stderr) == (0, "")
    assert "median of " in result.stdout


@pytest.mark.parametrize("name", ["Failing", "Unsettled"])
def test_a_plugin_that_breaks_the_answer(tmp_path, name):
    """It is shown and logged once, nothing is measured, and the exit status tells."""
    result = replay("v1-plain-step", "--time", *through(tmp_path, name))

    assert result.exit_code == 1
    assert "error plugin_failed" in result.stdout
    assert f"failed: {name}" in result.stdout
    assert "median of" not in result.stdout
    assert result.stderr.count("Traceback") == 1
    last = "letta-gateway: the answer ends in an error, and nothing was measured"
    assert result.stderr.splitlines()[-1] == last


def test_a_plugin_that_is_bypassed(tmp_path):
    """The answer is whole without it, and what fails is not said to change nothing."""
    options = through(tmp_path, "Failing", on_failure="bypass")
    result = replay("v1-plain-step", "--time", *options)

    assert result.exit_code == 0
    assert "failed: Failing" in result.stdout
    assert "unchanged by" not in result.stdout
    assert result.stderr.count("Traceback") == 1
    assert json.loads(replay("v1-plain-step", "--json", *options).stdout)["failed"] == ["Failing"]


def test_an_error_of_lettas():
    """The replay of a failure shows that failure: nothing is wrong with it."""
    result = replay("v1-err429-tok")

    assert (result.exit_code, result.stderr) == (0, "")
    assert "HTTP 429" in result.stdout


def test_an_agent_type_that_there_is_not():
    """The types that there are, are told."""
    result = replay("v1-plain-tok", "--agent-type", "letta_agent")

    assert result.exit_code == 1
    assert "There is no agent type letta_agent; there are letta_v1_agent, memgpt" in result.stderr


def test_json():
    """Programs get JSON, also of what is wrong."""
    assert json.loads(replay("v1-plain-tok", "--json").stdout)["recording"] == "v1-plain-tok"
    wrong = replay("v1-plain-tik", "--json")
    assert wrong.exit_code == 1
    assert "v1-plain-tok" in json.loads(wrong.stdout)["problems"][0]["what"]


def test_errors_are_one_line():
    """A recording that is not there, without a traceback."""
    result = replay("v1-plain-tik")

    assert result.exit_code == 1
    assert len(result.stderr.splitlines()) == 1


def test_a_file_that_is_wrong(tmp_path):
    """Its mistakes are told as by check-config."""
    file = tmp_path / "gateway.yaml"
    file.write_text("pipeline: [{use: nobody}]\n")

    result = replay("v1-plain-tok", "--config", file)

    assert result.exit_code == 1
    assert result.stderr.startswith(f"{file}:1:")


def test_another_pipeline(tmp_path):
    """The file's own steps are those that are shown."""
    file = tmp_path / "gateway.yaml"
    file.write_text("pipeline: [{use: reasoning_mapper, config: {into: [think]}}]\n")

    result = replay("v1-reason-tok", "--config", file)

    assert "reasoning_mapper" in result.stdout.splitlines()[2]
    assert "<think>" in result.stdout


def test_one_of_several_pipelines(tmp_path):
    """Any pipeline of the file can be shown."""
    file = tmp_path / "gateway.yaml"
    think = "[{use: reasoning_mapper, config: {into: [think]}}]"
    file.write_text(f"pipeline: []\npipelines: {{thinking: {think}}}\n")

    chosen = replay("v1-reason-tok", "--config", file, "--pipeline", "thinking")
    wrong = replay("v1-reason-tok", "--config", file, "--pipeline", "thinkin")

    assert "<think>" in chosen.stdout
    assert "<think>" not in replay("v1-reason-tok", "--config", file).stdout
    assert 'did you mean "thinking"?' in wrong.stderr


def test_what_this_pipeline_would_not_have_asked_for():
    """An older agent's tokens are asked for only if the file says so."""
    result = replay("memgptv2-nl-frag8-tok", "--agent-type", "memgpt_v2_agent")

    assert "this pipeline would have asked for steps" in result.stdout


def test_truncated(tmp_path):
    """It is said, and shown as far as it goes."""
    frame = b'data: {"message_type":"assistant_message","id":"m","content":"Hi"}\n\n'
    (tmp_path / "cut.sse").write_bytes(frame + frame[:10])

    result = replay(tmp_path / "cut.sse")

    assert result.exit_code == 0
    assert "It is truncated" in result.stdout
    assert "upstream_incomplete" in result.stdout
