"""The pipe, called as Open WebUI calls it."""

from __future__ import annotations

import inspect
import json
import sys
import types
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import attrs

from gateway.demo import demo_letta
from gateway.testing.fakeletta import FakeLetta
from tests.gateway.serving import Listening, over
from tests.gateway.surfaces.native.native import until


PIPE = Path(__file__).parents[3] / "deploy" / "openwebui" / "letta_pipe.py"

ADA = {"id": "user-ada", "name": "Ada Lovelace", "email": "ada@example.org", "role": "user"}
BOB = {"id": "user-bob", "name": "Bob", "email": "bob@example.org", "role": "user"}

# What a template for the demo may have: the demo has this tool.
WEATHER = {"tutor": {"name": "Tutor", "tools": ["look_up_weather"]}}


def loaded() -> Any:
    """A pipe, from the file's text: so a function is loaded that an administrator has pasted."""
    module = types.ModuleType("function_letta")
    sys.modules[module.__name__] = module
    exec(compile(PIPE.read_text(encoding="utf-8"), str(PIPE), "exec"), module.__dict__)
    return module.Pipe()


@attrs.define
class OpenWebUI:
    """One user's Open WebUI. `statuses` are those that were emitted, `chunks` what was streamed."""

    pipe: Any
    gateway: Listening
    letta: FakeLetta
    statuses: list[Any] = attrs.field(factory=list)
    chunks: list[Any] = attrs.field(factory=list)

    def params(
        self, message: Any, user: Any = ADA, chat: str | None = "chat-1", **more: Any
    ) -> Any:
        """All there is; the pipe is given what its signature names."""
        body = {
            "model": "letta",
            "stream": True,
            "messages": [{"role": "user", "content": message}],
        }
        body |= more.pop("body", {})
        every = {
            "body": body,
            "__user__": dict(user),
            "__metadata__": {"chat_id": chat, "message_id": "m1"},
            "__request__": None,
            "__event_emitter__": self.emit,
            "__event_call__": None,
            "__task__": None,
            "__task_body__": None,
            "__chat_id__": chat,
            "__message_id__": "m1",
            "__session_id__": "s1",
            "__files__": [],
            "__tools__": {},
            "__oauth_token__": None,
            **more,
        }
        named = inspect.signature(self.pipe.pipe).parameters
        return {name: value for name, value in every.items() if name in named}

    async def emit(self, event: Any) -> None:
        """The event emitter."""
        assert event["type"] == "status"
        self.statuses.append(event["data"])

    async def stream(self, message: Any, **more: Any) -> AsyncIterator[Any]:
        """The chunks of an answer; each line is read as Open WebUI reads it."""
        assert inspect.iscoroutinefunction(self.pipe.pipe)
        answer = await self.pipe.pipe(**self.params(message, **more))
        assert inspect.isasyncgen(answer)
        async for line in answer:
            assert isinstance(line, dict), "bare text may be taken for a chunk"
            self.chunks.append(json.loads(json.dumps(line)))
            yield self.chunks[-1]

    async def ask(self, message: Any, **more: Any) -> str:
        """The text of a streamed answer."""
        start = len(self.chunks)
        async for _ in self.stream(message, **more):
            pass
        return self.text(start)

    async def whole(self, message: Any, **more: Any) -> str:
        """The answer to somebody who does not stream: always a text."""
        params = self.params(message, **more)
        params["body"]["stream"] = False
        answer = await self.pipe.pipe(**params)
        assert isinstance(answer, str)
        return answer

    def text(self, start: int = 0) -> str:
        return self._joined("content", start)

    def thoughts(self, start: int = 0) -> str:
        return self._joined("reasoning_content", start)

    @property
    def errors(self) -> list[str]:
        """What is shown in the box below the answer."""
        return [each["error"]["message"] for each in self.chunks if "error" in each]

    def shown(self) -> list[tuple[str, bool]]:
        """The statuses: their text, and whether they are done."""
        return [(each["description"], each["done"]) for each in self.statuses]

    async def quiet(self) -> None:
        """Wait until nothing goes on behind the pipe's back."""
        await until(lambda: not self.pipe._tasks)

    def _joined(self, field: str, start: int) -> str:
        choices = [each["choices"][0] for each in self.chunks[start:] if "choices" in each]
        return "".join(choice["delta"].get(field, "") for choice in choices)


@asynccontextmanager
async def open_webui(
    tmp_path: Path, pace: float = 0.0, **settings: Any
) -> AsyncIterator[OpenWebUI]:
    """A pipe over a real gateway with the demo."""
    settings = {"templates": WEATHER, **settings}
    async with (
        demo_letta(pace=pace) as letta,
        over(letta.url, tmp_path, pipeline=None, **settings) as gateway,
    ):
        ui = OpenWebUI(loaded(), gateway, letta)
        ui.pipe.valves = ui.pipe.Valves(GATEWAY_URL=gateway.url)
        yield ui
        await ui.quiet()
