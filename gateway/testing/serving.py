"""A real gateway over FakeLetta, in this process and listening on loopback.

It has a thread and an event loop of its own, so that tests of any kind can use it, and any
HTTP client: `Served.url` is where it is.
"""

from __future__ import annotations

import asyncio
import http.client
import json
import threading
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Future
from contextlib import AsyncExitStack, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Protocol, TypeAlias

import attrs
import loguru
from aiohttp import web

from gateway.assemble import assemble
from gateway.config import Config, load
from gateway.config.steps import BUILT_IN
from gateway.plugin import Plugin
from gateway.testing.fakeletta import FakeLetta, Script


SECONDS = 60.0
AGENT = "Milo"

# A step as the file has it, its `use` alone, or the plugin's class.
Use: TypeAlias = str | type[Plugin[Any]] | Mapping[str, Any]


@attrs.frozen
class Answer:
    """What a request came to."""

    status: int
    headers: Mapping[str, str]
    text: str

    @property
    def json(self) -> Any:
        """The body, read as JSON."""
        return json.loads(self.text)

    @property
    def chunks(self) -> list[Any]:
        """The chunks of a streamed answer."""
        lines = (line.removeprefix("data: ") for line in self.text.splitlines())
        return [json.loads(line) for line in lines if line.startswith("{")]


@attrs.frozen
class Served:
    """A gateway that listens at `url`, and the Letta below it."""

    url: str
    letta: FakeLetta

    def post(self, body: Mapping[str, Any], **headers: str) -> Answer:
        """A chat completion, whatever comes of it."""
        sent = {"Content-Type": "application/json", **headers}
        where = self.url.removeprefix("http://")
        connection = http.client.HTTPConnection(where, timeout=SECONDS)
        try:
            connection.request("POST", "/v1/chat/completions", json.dumps(body), sent)
            answer = connection.getresponse()
            return Answer(answer.status, dict(answer.getheaders()), answer.read().decode())
        finally:
            connection.close()

    def ask(self, said: str, *, model: str = AGENT, **more: Any) -> str:
        """The text of an agent's answer; `more` is of the request's body."""
        answer = self._asked(said, model, more)
        return str(answer.json["choices"][0]["message"]["content"])

    def stream(self, said: str, *, model: str = AGENT, **more: Any) -> list[str]:
        """The same, streamed: the pieces of the text."""
        answer = self._asked(said, model, {"stream": True, **more})
        deltas = [choice["delta"] for chunk in answer.chunks for choice in chunk["choices"]]
        return [delta["content"] for delta in deltas if delta.get("content")]

    def _asked(self, said: str, model: str, more: Mapping[str, Any]) -> Answer:
        messages = [{"role": "user", "content": said}]
        answer = self.post({"model": model, "messages": messages, **more})
        if answer.status != 200:
            raise AssertionError(f"the gateway answers {answer.status}: {answer.text}")
        return answer


class GatewayWith(Protocol):
    """The type of the fixture `gateway_with`; see `served`."""

    def __call__(
        self,
        steps: Sequence[Use],
        *,
        says: Script | None = None,
        letta: FakeLetta | None = None,
        **sections: Any,
    ) -> Served: ...


@contextmanager
def served(
    steps: Sequence[Use],
    *,
    says: Script | None = None,
    letta: FakeLetta | None = None,
    **sections: Any,
) -> Iterator[Served]:
    """
    A gateway until the block is left.

    Args:
        steps: From the client's side to Letta's: names, classes, or steps as the file has
            them. If `agent_resolver` is not among them, they stand in the built-in pipeline,
            just below `conversation_resolver`.
        says: What the agent Milo says; by default it answers as FakeLetta's agents do.
        letta: One with agents of the test's own, not started yet.
        sections: Other sections of the file, `keys=[…]` for example.

    Raises:
        GatewayError: It cannot start; the message says why.
    """
    if letta is None:
        letta = FakeLetta()
        letta.add_agent(AGENT, script=says)
    pipeline = [*map(_entry, steps)]
    file = {"store": "memory", "pipeline": _whole(pipeline), **sections}
    running = _Running(letta, file)
    thread = threading.Thread(target=running.run, name="letta-gateway", daemon=True)
    thread.start()
    try:
        url = running.url.result(SECONDS)
        yield Served(url, letta)
    finally:
        running.stop()
        thread.join(SECONDS)


def _entry(step: Use) -> dict[str, Any]:
    entry = dict(step) if isinstance(step, Mapping) else {"use": step}
    use = entry["use"]
    return (
        entry if isinstance(use, str) else {**entry, "use": f"{use.__module__}:{use.__qualname__}"}
    )


def _whole(steps: list[dict[str, Any]]) -> list[dict[str, Any]]:
    if any(step["use"] == "agent_resolver" for step in steps):
        return steps
    built_in = [{"use": name} for name in BUILT_IN]
    place = BUILT_IN.index("conversation_resolver") + 1
    return [*built_in[:place], *steps, *built_in[place:]]


@attrs.define
class _Running:
    """The thread's work; `url` is known, or why not, once it listens."""

    letta: FakeLetta
    file: Mapping[str, Any]
    url: Future[str] = attrs.field(factory=Future)
    _stop: asyncio.Event = attrs.field(factory=asyncio.Event)
    _loop: asyncio.AbstractEventLoop | None = None

    def run(self) -> None:
        try:
            asyncio.run(self._serve())
        except Exception as exc:  # it is raised where the test runs
            if self.url.done():
                raise
            self.url.set_exception(exc)

    def stop(self) -> None:
        if self._loop is not None and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._stop.set)

    async def _serve(self) -> None:
        self._loop = asyncio.get_running_loop()
        async with AsyncExitStack() as stack:
            await stack.enter_async_context(self.letta)
            config = self._config()
            gateway = await stack.enter_async_context(assemble(config, loguru.logger))
            runner = web.AppRunner(
                gateway.app, handler_cancellation=True, access_log=None, shutdown_timeout=0.1
            )
            stack.push_async_callback(runner.cleanup)
            await runner.setup()
            await web.TCPSite(runner, "127.0.0.1", 0).start()
            self.url.set_result(f"http://127.0.0.1:{runner.addresses[0][1]}")
            await self._stop.wait()

    def _config(self) -> Config:
        whole = {**self.file, "letta": {"base_url": self.letta.url}}
        with TemporaryDirectory() as folder:
            path = Path(folder) / "gateway.yaml"
            path.write_text(json.dumps(whole), encoding="utf-8")  # which is YAML, too
            return load(path, environ={})
