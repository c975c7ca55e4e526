"""Open WebUI and its browser, and the gateways that it is connected to."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import attrs
from ruamel.yaml import YAML

from gateway.demo import demo_letta
from gateway.demo.agents import look_up_weather
from gateway.testing.fakeletta import Conversation, FakeAgent, FakeLetta, Request, Run, ServerTool
from tests.gateway.serving import Listening, over
from tests.gateway.web.console.browser import chromium
from tests.openwebui.page import page, until, window
from tests.openwebui.scripts import acts
from tests.openwebui.server import ADMIN, Connection, OpenWebUI, User, open_webui


DEPLOY = Path(__file__).parents[2] / "deploy" / "openwebui"
HEADERS: Mapping[str, str] = json.loads((DEPLOY / "headers.json").read_text(encoding="utf-8"))
# Two of those that ENABLE_FORWARD_USER_INFO_HEADERS adds to any connection.
USER_INFO = {"X-OpenWebUI-Chat-Id": "{{CHAT_ID}}", "X-OpenWebUI-User-Id": "{{USER_ID}}"}
PIPELINE = YAML(typ="safe").load(DEPLOY / "gateway.yaml")["pipeline"]
KEY = "a-key-for-open-webui"
KEYS = [{"name": "open-webui", "key": KEY}]

# What stands in Open WebUI's own requests, for titles and the like, and in no others.
TASK = "<chat_history>"

# An agent that does what `scripts` has for a message.
ACTOR = "Actor"
DESCRIPTION = "Does what it is told"
SUGGESTIONS = ("Tell me a story.", "What can you do?")

# Connections beside the recommended one, by what stands before their models' names.
BARE = "bare"
FORWARDED = "forwarded"
RESPONSES = "responses"
WRONG_KEY = "wrong-key"
UNKNOWN = "unknown"
DOWN = "down"

PIPE = "letta"
TEMPLATE = {"tutor": {"name": "Tutor", "tools": ["look_up_weather"]}}


@attrs.frozen
class Stage:
    """
    All of it. `ada` is an administrator, `bob` is not; `letta` is what the agents run in, and
    `down` a gateway without one. `key` is good for both gateways.
    """

    letta: FakeLetta
    gateway: Listening
    down: Listening
    ui: OpenWebUI
    windows: Mapping[str, Any]
    ada: User
    bob: User
    connections: Sequence[Connection]
    key: str = KEY

    def page(self, user: User | None = None) -> Any:
        """A page of the administrator's, or of another user's, to be entered."""
        of = user or self.ada
        return page(self.windows[of.email], self.ui, of)

    async def own_agent(self, user: User) -> FakeAgent:
        """The agent that the pipe has for this user; it acts like Actor from now on."""
        wanted = {"user_id": user.id, "agent_type": "tutor"}
        headers = {"Authorization": f"Bearer {KEY}"}
        url = f"{self.gateway.url}/agents"
        async with self.gateway.session.post(url, json=wanted, headers=headers) as answer:
            agent = self.letta.agents[(await answer.json())["agent_id"]]
        agent.script = acts
        return agent

    def told(self, text: str) -> list[list[tuple[str, str]]]:
        """
        What the conversations at Letta hold in which this was said: roles and texts.

        Those in which a title or the like was asked for are left out; see `forgets`.
        """
        every = [_said(each) for each in self.conversations(text)]
        return [said for said in every if TASK not in said[0][1]]

    async def forgets(self, text: str) -> None:
        """Wait until no conversation is left in which this was said."""

        async def left() -> list[Conversation]:
            return self.conversations(text)

        await until(left, lambda found: not found)

    def running(self) -> Run:
        """The run that goes on."""
        [run] = [run for run in self.letta.runs.values() if run.status == "running"]
        return run

    async def over(self, run: Run) -> str:
        """How it ended, as soon as it has."""

        async def status() -> str:
            return run.status

        return await until(status, lambda found: found != "running")

    def conversations(self, text: str) -> list[Conversation]:
        """Those conversations themselves, oldest first."""
        every = self.letta.conversations.values()
        return [each for each in every if any(text in said for _, said in _said(each))]

    def asked(self, text: str) -> list[dict[str, Any]]:
        """The messages of the last request to Letta that ends with this being said."""
        bodies = [request.body for request in self.letta.requests if _ends_with(request, text)]
        found: list[dict[str, Any]] = bodies[-1]["messages"]
        return found


def _said(conversation: Conversation) -> list[tuple[str, str]]:
    prompts = [prompt for message in conversation.context.log for prompt in message.prompts]
    return [(prompt.role, prompt.text) for prompt in prompts if prompt.role != "system"]


def _ends_with(request: Request, text: str) -> bool:
    messages = request.body.get("messages") if isinstance(request.body, dict) else None
    last = json.dumps(messages[-1], ensure_ascii=False) if messages else ""
    return text in last and TASK not in last


@asynccontextmanager
async def stage(commands: Path, work: Path) -> AsyncIterator[Stage]:
    """It stands until the block is left."""
    async with AsyncExitStack() as stack:
        letta = await stack.enter_async_context(demo_letta(pace=0.3))
        weather = ServerTool("look_up_weather", look_up_weather, "The weather of a city")
        letta.add_agent(ACTOR, tools=(weather,), script=acts)
        gateway = await stack.enter_async_context(gateway_over(letta.url, work / "gateway"))
        down = await stack.enter_async_context(
            gateway_over("http://127.0.0.1:9", work / "down")  # nothing listens there
        )
        connections = _connections(gateway, down)
        ui = await stack.enter_async_context(open_webui(commands, work, connections))
        ada = await ui.signed_in(ADMIN)
        bob = await ui.add_user(ada, "bob@example.org")
        source = (DEPLOY / "letta_pipe.py").read_text(encoding="utf-8")
        await ui.add_pipe(ada, PIPE, source, {"GATEWAY_URL": gateway.url, "API_KEY": KEY})
        browser = await stack.enter_async_context(chromium())
        windows = {user.email: await window(browser, user) for user in (ada, bob)}
        yield Stage(letta, gateway, down, ui, windows, ada, bob, connections)


def gateway_over(letta_url: str, work: Path) -> Any:
    """A gateway as docs/clients/open-webui.md has it, to be entered."""
    work.mkdir()
    model = {"id": ACTOR, "agent": ACTOR, "description": DESCRIPTION}
    return over(
        letta_url,
        work,
        pipeline=PIPELINE,
        keys=KEYS,
        templates=TEMPLATE,
        models=[{**model, "suggestions": list(SUGGESTIONS)}],
    )


def _connections(gateway: Listening, down: Listening) -> list[Connection]:
    url = f"{gateway.url}/v1"
    return [
        Connection(url, KEY, headers=HEADERS),
        Connection(url, KEY, BARE),
        Connection(url, KEY, FORWARDED, USER_INFO),
        Connection(url, KEY, RESPONSES, HEADERS, api="responses"),
        # Open WebUI asks these only when somebody chats.
        Connection(url, "another-key", WRONG_KEY, HEADERS, models=("Milo",)),
        Connection(url, KEY, UNKNOWN, HEADERS, models=("Mila",)),
        Connection(f"{down.url}/v1", KEY, DOWN, HEADERS, models=("Milo",)),
    ]
