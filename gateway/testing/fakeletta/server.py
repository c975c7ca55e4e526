"""A Letta server without a model, a database or a key: for tests and for trying things out.

    async with FakeLetta() as letta:
        letta.add_agent("Milo", script=[Step("Hello!")])
        client = AsyncLetta(base_url=letta.url)

It is a real HTTP server that speaks what Letta 0.16.8 speaks, so that the official client
and whatever is built on it can be tested down to the bytes.
"""

from __future__ import annotations

import json
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping
from contextlib import asynccontextmanager
from typing import Any, Self

import attrs
from aiohttp import web

from gateway.testing.fakeletta import agent_routes, message_routes, other_routes, tool_routes
from gateway.testing.fakeletta.faults import Fault, Rule
from gateway.testing.fakeletta.model import Model
from gateway.testing.fakeletta.replies import answer, refuse
from gateway.testing.fakeletta.running import Runner
from gateway.testing.fakeletta.state import VERSION, Conversation, FakeAgent, Run, State
from gateway.testing.fakeletta.tools import ServerTool


Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

MODELS = ("openai-proxy/scripted-1", "openai-proxy/scripted-2", "openai-proxy/o3-mini")

_REQUESTS = 500
_LARGEST_KEPT = 64 * 1024
_LARGEST_BODY = 1 << 28


@attrs.frozen
class Request:
    """A request that FakeLetta was sent. `body` is None if it is no JSON, or very large."""

    method: str
    path: str
    query: Mapping[str, str]
    headers: Mapping[str, str]
    body: Any = None
    size: int = 0


@attrs.define(kw_only=True)
class FakeLetta:
    """
    The server.

    Args:
        host: Where it listens.
        port: And on which port; 0 takes a free one.
        ping_seconds: How long it is silent in a stream before it sends a ping.
        redis: Whether it has what the real one needs Redis for: the lock of a
            conversation, background runs, cancelling without a run's id.
        api_key: If set, requests need it as their bearer token.
        models: The handles of the models that agents can have.
        pace: Stretches the time that scripts and tools take; 0 makes them instant.
        version: What it says it is; before 0.16.2 clients have no tools of their own.
    """

    host: str = "127.0.0.1"
    port: int = 0
    ping_seconds: float = 20.0
    redis: bool = True
    api_key: str = ""
    models: tuple[str, ...] = MODELS
    pace: float = 1.0
    version: str = VERSION
    requests: deque[Request] = attrs.field(
        factory=lambda: deque(maxlen=_REQUESTS), init=False, repr=False
    )
    """The last requests, oldest first."""
    _rules: list[Rule] = attrs.field(factory=list, init=False, repr=False)
    _state: State = attrs.field(init=False, repr=False)
    _runner: Runner = attrs.field(init=False, repr=False)
    _serving: web.AppRunner | None = attrs.field(default=None, init=False, repr=False)

    def __attrs_post_init__(self) -> None:
        self._state = State(self.redis, self.models, self.version, Model(self.pace))
        self._runner = Runner(self._state)

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(self, *_exc: object) -> None:
        await self.stop()

    async def start(self) -> None:
        """Begin to listen."""
        self._serving = web.AppRunner(self._app(), access_log=None, shutdown_timeout=0.1)
        await self._serving.setup()
        site = web.TCPSite(self._serving, self.host, self.port)
        await site.start()
        # Should it be refused for a while, it comes back where it was.
        self.port = self._serving.addresses[0][1]

    async def stop(self) -> None:
        """Stop listening, and every run."""
        await self._runner.stop()
        await self._refuse()

    @asynccontextmanager
    async def refused(self) -> AsyncIterator[None]:
        """Refuse connections for a while; open ones are closed. Runs go on."""
        await self._refuse()
        try:
            yield
        finally:
            await self.start()

    @property
    def url(self) -> str:
        """Where it is, for `AsyncLetta(base_url=…)`."""
        return f"http://{self.host}:{self.port}"

    @property
    def agents(self) -> Mapping[str, FakeAgent]:
        """The agents by their ids, oldest first."""
        return self._state.agents

    @property
    def tools(self) -> Mapping[str, ServerTool]:
        """The tools by their ids, oldest first."""
        return self._state.tools

    @property
    def conversations(self) -> Mapping[str, Conversation]:
        """The conversations by their ids, oldest first."""
        return self._state.conversations

    @property
    def runs(self) -> Mapping[str, Run]:
        """The newest runs by their ids, oldest first."""
        return self._state.runs

    async def run(self, number: int = 1) -> Run:
        """Wait for a run: the first, the second, …"""
        return await self._state.run(number)

    def add_agent(
        self, name: str, *, tools: Iterable[ServerTool] = (), **settings: Any
    ) -> FakeAgent:
        """Make an agent; the settings are those of `FakeAgent`."""
        agent = FakeAgent(name=name, tools={tool.name: tool for tool in tools}, **settings)
        self._state.tools |= {tool.id: tool for tool in agent.tools.values()}
        self._state.agents[agent.id] = agent
        return agent

    def fail(
        self, fault: Fault, *, path: str = "", method: str = "", times: int | None = None
    ) -> Rule:
        """
        Let something go wrong with requests, of all agents.

        Args:
            fault: What.
            path: A regular expression that their path contains.
            method: Their method.
            times: With the next so many of them; by default with all. To end it, set the
                rule's `times` to 0.
        """
        rule = Rule(fault, path, method, times)
        self._rules.append(rule)
        return rule

    async def _refuse(self) -> None:
        if self._serving:
            await self._serving.cleanup()
            self._serving = None

    def _app(self) -> web.Application:
        redirect = web.normalize_path_middleware(
            merge_slashes=False, redirect_class=web.HTTPTemporaryRedirect
        )
        app = web.Application(
            client_max_size=_LARGEST_BODY,
            middlewares=[redirect, self._note, _as_json, self._trouble, self._guard],
        )
        app[agent_routes.STATE] = self._state
        app[message_routes.RUNNER] = self._runner
        app[message_routes.PING_SECONDS] = self.ping_seconds
        for method, path, handler in _ROUTES:
            app.router.add_route(method, path, handler)
        return app

    @web.middleware
    async def _note(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        data = await request.read()
        self.requests.append(
            Request(
                request.method,
                request.path,
                dict(request.query),
                {name.lower(): value for name, value in request.headers.items()},
                _json(data),
                len(data),
            )
        )
        return await handler(request)

    @web.middleware
    async def _trouble(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        fits = (rule for rule in self._rules if rule.fits(request.method, request.path))
        rule = next(fits, None)
        if rule is None:
            return await handler(request)
        request[message_routes.FAULT] = rule.fault
        await message_routes.strike(rule.fault)
        response = await handler(request)
        if isinstance(response, web.Response) and rule.fault.then == "drop" and request.transport:
            request.transport.close()
        return response

    @web.middleware
    async def _guard(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        free = not self.api_key or request.path.startswith("/v1/health")
        if free or request.headers.get("Authorization") == f"Bearer {self.api_key}":
            return await handler(request)
        raise refuse(401, "Unauthorized")


@web.middleware
async def _as_json(request: web.Request, handler: Handler) -> web.StreamResponse:
    try:
        return await handler(request)
    except (web.HTTPNotFound, web.HTTPMethodNotAllowed) as error:
        if error.content_type == "application/json":
            raise
        return answer({"detail": error.reason}, error.status)


def _json(data: bytes) -> Any:
    try:
        return json.loads(data) if 0 < len(data) <= _LARGEST_KEPT else None
    except ValueError:
        return None


_AGENT = "/v1/agents/{agent_id}"
_CONVERSATION = "/v1/conversations/{conversation_id}"
_RUN = "/v1/runs/{run_id}"
_ROUTES: tuple[tuple[str, str, Handler], ...] = (
    ("GET", "/v1/health/", other_routes.health),
    ("GET", "/v1/models/", other_routes.list_models),
    ("GET", "/v1/agents/", agent_routes.list_agents),
    ("POST", "/v1/agents/", agent_routes.create_agent),
    ("GET", _AGENT, agent_routes.read_agent),
    ("GET", f"{_AGENT}/tools", agent_routes.list_tools),
    ("PATCH", f"{_AGENT}/tools/attach/{{tool_id}}", tool_routes.attach),
    ("PATCH", f"{_AGENT}/tools/detach/{{tool_id}}", tool_routes.detach),
    ("PATCH", f"{_AGENT}/tools/approval/{{tool_name}}", tool_routes.approve),
    ("PATCH", _AGENT, agent_routes.change_agent),
    ("DELETE", _AGENT, agent_routes.delete_agent),
    ("POST", f"{_AGENT}/messages", message_routes.ask_agent),
    ("POST", f"{_AGENT}/messages/stream", message_routes.ask_agent_stream),
    ("GET", f"{_AGENT}/messages", message_routes.list_agent_messages),
    ("POST", f"{_AGENT}/messages/cancel", message_routes.cancel_agent),
    ("GET", "/v1/conversations/", other_routes.list_conversations),
    ("POST", "/v1/conversations/", other_routes.create_conversation),
    ("GET", _CONVERSATION, other_routes.read_conversation),
    ("PATCH", _CONVERSATION, other_routes.change_conversation),
    ("DELETE", _CONVERSATION, other_routes.delete_conversation),
    ("POST", f"{_CONVERSATION}/messages", message_routes.ask_conversation),
    ("GET", f"{_CONVERSATION}/messages", message_routes.list_conversation_messages),
    ("POST", f"{_CONVERSATION}/cancel", message_routes.cancel_conversation),
    ("POST", f"{_CONVERSATION}/stream", other_routes.resume_conversation),
    ("GET", "/v1/runs/", other_routes.list_runs),
    ("GET", _RUN, other_routes.read_run),
    ("GET", f"{_RUN}/messages", other_routes.list_run_messages),
    ("POST", f"{_RUN}/stream", other_routes.resume_run),
    ("GET", "/v1/tools/", tool_routes.list_tools),
    ("POST", "/v1/tools/", tool_routes.upsert_tool),
    ("PUT", "/v1/tools/", tool_routes.upsert_tool),
    ("GET", "/v1/tools/{tool_id}", tool_routes.read_tool),
    ("DELETE", "/v1/tools/{tool_id}", tool_routes.delete_tool),
)
