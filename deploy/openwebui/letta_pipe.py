"""
title: Letta agents
author: letta-gateway
description: One Letta agent for each user, over letta-gateway's native chat API.
version: 1.0.0
required_open_webui_version: 0.12.0
requirements: aiohttp
license: Apache-2.0
"""

from __future__ import annotations

import asyncio
import inspect
import json
from collections.abc import AsyncGenerator, Awaitable, Callable, Coroutine, Mapping
from contextlib import aclosing, suppress
from typing import Any, TypeAlias

import aiohttp
from pydantic import BaseModel, Field


try:
    from open_webui.models.chats import Chats
except ImportError:  # it runs somewhere else
    Chats = None

Emit: TypeAlias = Callable[[dict[str, Any]], Awaitable[Any]]
Shown: TypeAlias = dict[str, Any]

# What Open WebUI calls a chat before it has a title.
UNTITLED = "New Chat"

# A stream that breaks off is taken up again so many times, with a pause in seconds between.
RETRIES = 4
PAUSE = 0.5

NO_GATEWAY = "What answers is not the assistant's service. Please tell an administrator."
NOT_SET = "The assistant's address or key is not set right. Please tell an administrator."
LOST = "The connection to the assistant is lost. Please try again."

# What people are told where the gateway's own words are for programs or administrators.
IN_WORDS = {
    401: "The assistant does not accept this site's key. Please tell an administrator.",
    403: "The assistant does not accept requests from this site. Please tell an administrator.",
    409: "The assistant is still busy with this chat. Please try again in a moment.",
    429: "The assistant has too much to do right now. Please try again in a moment.",
}


class Trouble(Exception):
    """Something that a person is told; `status` is the gateway's, if it has answered."""

    def __init__(self, text: str, status: int = 0) -> None:
        super().__init__(text)
        self.status = status


class Gone(Exception):
    """The connection is gone; the stream may be taken up again."""


class Pipe:
    """Each user talks to an agent of their own; each chat is a conversation with it."""

    class Valves(BaseModel):
        """What an administrator sets."""

        GATEWAY_URL: str = Field(
            default="http://localhost:8284",
            description="letta-gateway's address, as this server reaches it, without /v1",
        )
        API_KEY: str = Field(
            default="",
            description="one of the gateway's keys; empty if it has none",
            json_schema_extra={"input": {"type": "password"}},
        )
        AGENT_TYPE: str = Field(
            default="tutor",
            description="the template that each user's agent is made from",
        )
        THINKING: bool = Field(
            default=True,
            description="let the agent think, and show its thoughts",
        )
        TIMEOUT: int = Field(
            default=60,
            ge=15,
            description="seconds without a sign of life after which the gateway is given up",
        )

    def __init__(self) -> None:
        self.valves = self.Valves()
        self._agents: dict[tuple[str, str, str], str] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    async def pipe(
        self,
        body: dict[str, Any],
        __user__: dict[str, Any] | None = None,
        __event_emitter__: Emit | None = None,
        __task__: str | None = None,
        __chat_id__: str | None = None,
    ) -> str | AsyncGenerator[Shown, None]:
        """
        Answer a message. Titles, tags and the like are none: the agent never hears of them.

        A stream is of chunks and never of bare text, which Open WebUI would take for a chunk
        if it began with "data:".
        """
        if __task__:
            return "{}"
        asked = _said(body)
        asked["chat_id"] = __chat_id__
        title = await _title(__chat_id__)
        turn = Turn(self, self.valves, __user__ or {}, asked, title, __event_emitter__)
        if body.get("stream"):
            return turn.chunks()
        return await turn.whole()

    def spawn(self, work: Coroutine[Any, Any, None]) -> None:
        """Do it, whether or not anybody waits."""
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def agent(self, http: aiohttp.ClientSession, user: Mapping[str, Any]) -> str:
        """The user's agent; the gateway makes it if there is none yet."""
        key = self._key(user)
        if key not in self._agents:
            name = user.get("name")
            wanted = {"user_id": key[2], "agent_type": key[1], "user_name": name}
            async with http.post("agents", json=wanted) as answer:
                await _check(answer)
                self._agents[key] = await _agent_in(answer)
        return self._agents[key]

    def forget(self, user: Mapping[str, Any]) -> None:
        """The agent is not there any more."""
        self._agents.pop(self._key(user), None)

    def _key(self, user: Mapping[str, Any]) -> tuple[str, str, str]:
        user_id = str(user.get("id") or "anonymous")
        return self.valves.GATEWAY_URL, self.valves.AGENT_TYPE, user_id


class Turn:
    """One message and its answer."""

    def __init__(
        self,
        pipe: Pipe,
        valves: Pipe.Valves,
        user: Mapping[str, Any],
        asked: dict[str, Any],
        title: str | None,
        emit: Emit | None,
    ) -> None:
        self.pipe = pipe
        self.valves = valves
        self.user = user
        self.asked = {**asked, "chat_title": title, "enable_thinking": valves.THINKING}
        self.status = Status(emit)
        self.stream = ""
        self.last = ""

    async def chunks(self) -> AsyncGenerator[Shown, None]:
        """The answer as chunks of Open WebUI's; a status stands above it while it is made."""
        ended = False
        try:
            await self.status.show("Thinking...")
            async with aclosing(self._events()) as events:
                async for event in events:
                    for chunk in await self._chunk(event):
                        yield chunk
            ended = True
        except Trouble as trouble:
            ended = True
            yield {"error": {"message": str(trouble)}}
        finally:
            if not ended:
                # Stop has ended this generator: what is left to do happens behind it.
                self.pipe.spawn(self._stopped())
        await self.status.over()

    async def whole(self) -> str:
        """The answer's text alone; for what goes wrong, words."""
        text = ""
        try:
            async with aclosing(self._events()) as events:
                async for event in events:
                    if event["type"] == "message":
                        text += event["content"]
                    elif event["type"] == "error":
                        raise Trouble(event["message"])
        except Trouble as trouble:
            return f"{text}\n\n{trouble}".strip()
        except asyncio.CancelledError:
            self.pipe.spawn(self._stopped())
            raise
        return text

    async def _chunk(self, event: Shown) -> list[Shown]:
        match event["type"]:
            case "message":
                await self.status.over()
                return [_delta(content=event["content"])]
            case "status" if event.get("reasoning"):
                await self.status.over()  # Open WebUI says itself that these are thoughts
                return [_delta(reasoning_content=event["reasoning"])]
            case "status":
                await self.status.show(event["content"])
            case "error":
                return [{"error": {"message": event["message"]}}]
        return []

    async def _events(self) -> AsyncGenerator[Shown, None]:
        """The native API's events; what breaks off is taken up where it was."""
        async with self._http() as http:
            answer: aiohttp.ClientResponse | None = await self._begin(http)
            failed = 0
            while failed <= RETRIES:
                try:
                    if answer is None:
                        answer = await self._again(http)
                    async with answer, aclosing(self._read(answer)) as events:
                        async for event in events:
                            failed = 0
                            yield event
                    return
                except Gone:
                    answer = None
                    await asyncio.sleep(PAUSE * 2**failed)
                    failed += 1
        raise Trouble(LOST)

    async def _begin(self, http: aiohttp.ClientSession) -> aiohttp.ClientResponse:
        for attempt in (1, 2):
            try:
                body = {**self.asked, "agent_id": await self.pipe.agent(http, self.user)}
                answer = await http.post("chat/stream", json=body)
                await _check(answer)
            except Trouble as trouble:
                if trouble.status != 404 or attempt == 2:
                    raise
                self.pipe.forget(self.user)  # it was deleted: ask for it once more
            except (aiohttp.ClientError, TimeoutError) as exc:
                raise Trouble(self._unreachable(exc)) from exc
            except ValueError as exc:  # no header can be made of the key
                raise Trouble(NOT_SET) from exc
            else:
                self.stream = answer.headers.get("X-Stream-Id", "")
                return answer
        raise AssertionError("one of the two has returned or raised")

    async def _again(self, http: aiohttp.ClientSession) -> aiohttp.ClientResponse:
        headers = {"Accept": "text/event-stream"}
        if self.last:
            headers["Last-Event-ID"] = self.last
        try:
            answer = await http.get(f"chat/streams/{self.stream}", headers=headers)
            await _check(answer)
        except (aiohttp.ClientError, TimeoutError) as exc:
            raise Gone from exc
        except Trouble as trouble:
            if trouble.status >= 500:  # it is being started anew, perhaps
                raise Gone from trouble
            raise Trouble(LOST, trouble.status) from trouble  # it is not kept any more
        return answer

    async def _read(self, answer: aiohttp.ClientResponse) -> AsyncGenerator[Shown, None]:
        """The events of one connection, up to the last of all."""
        event_id, rest = "", b""
        try:
            async for data in answer.content.iter_any():
                *lines, rest = (rest + data).split(b"\n")
                for line in lines:
                    name, _, value = line.partition(b": ")
                    if name == b"id":
                        event_id = value.decode()
                    elif name == b"data":
                        event = json.loads(value)
                        self.last = event_id or self.last
                        yield event
                        if event["type"] in {"done", "error", "interrupted"}:
                            return
        except (aiohttp.ClientError, TimeoutError, ValueError) as exc:
            raise Gone from exc
        raise Gone

    async def _stopped(self) -> None:
        """Say that it was stopped, and stop the agent; else it would go on for a minute."""
        try:
            await self.status.stopped()
        finally:
            if self.stream:
                with suppress(aiohttp.ClientError, TimeoutError):
                    async with self._http() as http:
                        await http.post(f"chat/streams/{self.stream}/interrupt")

    def _http(self) -> aiohttp.ClientSession:
        key, silence = self.valves.API_KEY.strip(), self.valves.TIMEOUT
        try:
            return aiohttp.ClientSession(
                self.valves.GATEWAY_URL.strip().rstrip("/").removesuffix("/v1") + "/",
                headers={"Authorization": f"Bearer {key}"} if key else {},
                timeout=aiohttp.ClientTimeout(total=None, sock_connect=10, sock_read=silence),
            )
        except ValueError as exc:
            raise Trouble(NOT_SET) from exc

    def _unreachable(self, exc: Exception) -> str:
        if isinstance(exc, TimeoutError):
            return "The assistant does not answer. Please try again in a moment."
        return "The assistant cannot be reached. Please try again later, or tell an administrator."


class Status:
    """The line above an answer: it must be done in the end, or it shimmers for ever."""

    def __init__(self, emit: Emit | None) -> None:
        self._emit = emit
        self._shown = ""
        self._tools: dict[str, None] = {}

    async def show(self, text: str) -> None:
        """Show what is going on, if it is news."""
        if text == self._shown:
            return
        self._shown = text
        if text.startswith("Using "):
            self._tools[text.removeprefix("Using ").removesuffix("...")] = None
        await self._tell({"description": text, "done": False})

    async def over(self) -> None:
        """Nothing is going on for now; which tools were used stays."""
        if self._shown:
            used = "Used " + ", ".join(self._tools) if self._tools else ""
            await self._done(used or "Done", hidden=not used)

    async def stopped(self) -> None:
        """The user has stopped it."""
        await self._done("Stopped", hidden=False)

    async def _done(self, text: str, *, hidden: bool) -> None:
        self._shown = ""
        await self._tell({"description": text, "done": True, "hidden": hidden})

    async def _tell(self, status: dict[str, Any]) -> None:
        if self._emit is not None:
            await self._emit({"type": "status", "data": status})


def _delta(**delta: str) -> Shown:
    return {"choices": [{"index": 0, "delta": delta, "finish_reason": None}]}


def _said(body: Mapping[str, Any]) -> dict[str, Any]:
    """What is new in the history: the agent remembers the rest."""
    messages = body.get("messages") or []
    if messages and messages[-1].get("role") == "assistant":
        return {"message": "Please go on with your last answer."}
    said = [each["content"] for each in messages if each.get("role") == "user"]
    return {"message": said[-1] if said else ""}


async def _check(answer: aiohttp.ClientResponse) -> None:
    """
    See whether the gateway has taken the request.

    Raises:
        Trouble: It has not; in words for people.
    """
    if answer.status < 400:
        return
    try:
        told = (await answer.json())["error"]["message"]
    except (aiohttp.ClientError, ValueError, KeyError, TypeError):
        told = f"The assistant's service answers with HTTP {answer.status}."
    answer.release()
    raise Trouble(IN_WORDS.get(answer.status, told), answer.status)


async def _agent_in(answer: aiohttp.ClientResponse) -> str:
    try:
        return str((await answer.json())["agent_id"])
    except (aiohttp.ContentTypeError, ValueError, KeyError, TypeError) as exc:
        raise Trouble(NO_GATEWAY) from exc


async def _title(chat_id: str | None) -> str | None:
    """The chat's title, once it has one of its own."""
    if Chats is None or not chat_id:
        return None
    try:
        title = Chats.get_chat_title_by_id(chat_id)
        if inspect.isawaitable(title):
            title = await title
    except Exception:  # noqa: BLE001  whatever its database has: the answer matters more
        return None
    return None if title == UNTITLED else title or None
