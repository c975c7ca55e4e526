from __future__ import annotations

import asyncio
import json
import re

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from gateway.testing.fakeletta import Fault
from gateway.web.capacity import CAPACITY
from tests.deploy.openwebui.calling import ADA, BOB, PIPE, loaded, open_webui
from tests.gateway.surfaces.native.native import until
from tests.gateway.web.console.browser import line


def does(*steps, **step) -> str:
    return f"!!{json.dumps({'steps': steps} if steps else step)}!!"


USE = {"name": "look_up_weather", "args": {"city": "Rome"}}
WEATHER = does({"reason": "I look it up.", "tools": [USE]}, {"text": "Sunny."})
SLOW = does(text=[f"w{number} " for number in range(50)], delay=0.02)


def own(ui) -> list:
    """The agents that were made for users."""
    return [agent for agent in ui.letta.agents.values() if agent.name.startswith("Tutor")]


def test_header():
    """The header is what Open WebUI reads: title, version, requirements; and it is a pipe."""
    head = PIPE.read_text().split('"""')[1]
    fields = dict(re.findall(r"^(\w+): (.+)$", head, re.MULTILINE))
    assert {"title", "version", "requirements", "required_open_webui_version"} <= fields.keys()
    assert re.fullmatch(r"\d+\.\d+\.\d+", fields["version"])
    assert fields["requirements"] == "aiohttp"
    assert set(loaded().Valves().model_dump()) == {
        "GATEWAY_URL",
        "API_KEY",
        "AGENT_TYPE",
        "THINKING",
        "TIMEOUT",
    }


async def test_an_answer(tmp_path):
    """Thoughts and text are streamed; the status is done when there is something to see."""
    async with open_webui(tmp_path) as ui:
        assert await ui.ask("@@reason@@") == "The answer is 42."
        assert ui.thoughts() == "First I think. Then I conclude."
        assert ui.shown() == [("Thinking...", False), ("Done", True)]
        assert ui.statuses[-1]["hidden"] is True
        assert ui.errors == []


async def test_one_agent_for_each_user(tmp_path):
    """Each user has an agent of their own, made with the first message and found afterwards."""
    async with open_webui(tmp_path) as ui:
        for user in (ADA, BOB, ADA):
            await ui.ask("Hello", user=user)
        assert [agent.name for agent in own(ui)] == ["Tutor for Ada Lovelace", "Tutor for Bob"]
        other = loaded()
        other.valves = ui.pipe.valves
        ui.pipe = other
        await ui.ask("Hello")
        assert len(own(ui)) == 2


async def test_a_chat_goes_on(tmp_path):
    """A chat is one conversation, and another chat another; only what is new is told."""
    async with open_webui(tmp_path) as ui:
        history = [{"role": "user", "content": "one"}]
        await ui.ask("one")
        history += [{"role": "assistant", "content": "x"}, {"role": "user", "content": "two"}]
        await ui.ask("two", body={"messages": history})
        await ui.ask("other", chat="chat-2")
        told = [
            [each.content for each in conversation.context.log if each.kind == "user"]
            for conversation in ui.letta.conversations.values()
        ]
    assert told == [["one", "two"], ["other"]]


async def test_the_title(tmp_path, monkeypatch):
    """The chat's title becomes the conversation's, once the chat has one."""

    class Chats:
        titles = iter(["New Chat", "About Ada", None])

        @classmethod
        async def get_chat_title_by_id(cls, chat_id):
            assert chat_id == "chat-1"
            return next(cls.titles)

    async with open_webui(tmp_path) as ui:
        monkeypatch.setitem(ui.pipe.pipe.__globals__, "Chats", Chats)
        for said in ("one", "two", "three"):
            await ui.ask(said)
        (conversation,) = ui.letta.conversations.values()
        await until(lambda: conversation.summary == "About Ada")


async def test_no_title(tmp_path, monkeypatch):
    """A chat whose title cannot be had is answered all the same."""

    class Chats:
        @staticmethod
        def get_chat_title_by_id(chat_id):
            raise RuntimeError("the database is locked")

    async with open_webui(tmp_path) as ui:
        monkeypatch.setitem(ui.pipe.pipe.__globals__, "Chats", Chats)
        assert await ui.ask("Hello") == "You said: Hello"


@pytest.mark.parametrize("task", ["title_generation", "tags_generation", "follow_up_generation"])
@pytest.mark.parametrize("stream", [True, False])
async def test_tasks(task, stream, tmp_path):
    """Titles and tags are none of the agent's business: nobody is asked."""
    async with open_webui(tmp_path) as ui:
        params = ui.params("### Task:\nGenerate a title", __task__=task)
        params["body"]["stream"] = stream
        asked = len(ui.letta.requests)
        assert await ui.pipe.pipe(**params) == "{}"
        assert len(ui.letta.requests) == asked
        assert ui.statuses == []


async def test_a_tool(tmp_path):
    """While a tool runs that is the status, and afterwards that it was used."""
    async with open_webui(tmp_path) as ui:
        assert await ui.ask(WEATHER) == "Sunny."
        assert ui.thoughts() == "I look it up."
        assert ui.shown() == [
            ("Thinking...", False),
            ("Done", True),
            ("Using look_up_weather...", False),
            ("Used look_up_weather", True),
        ]
        assert ui.statuses[-1]["hidden"] is False


async def test_without_thinking(tmp_path):
    """Who switches thinking off sees none, and Letta is told."""
    async with open_webui(tmp_path) as ui:
        ui.pipe.valves.THINKING = False
        assert await ui.ask("@@reason@@") == "The answer is 42."
        assert ui.thoughts() == ""
        bodies = [each.body for each in ui.letta.requests if each.path.endswith("/messages")]
        assert bodies[-1]["enable_thinking"] == "false"


async def test_text_that_looks_like_a_chunk(tmp_path):
    """Whatever an agent says stays text: Open WebUI runs some chunks as code."""
    evil = 'data: {"event": {"type": "execute", "data": {"code": "alert(1)"}}}'
    async with open_webui(tmp_path) as ui:
        assert await ui.ask(does(text=[evil])) == evil
        assert not any("event" in chunk for chunk in ui.chunks)


@pytest.mark.parametrize("how", ["cancelled", "closed"])
async def test_stop(how, tmp_path):
    """Stop ends the agent's run, keeps what was said, and the status is done."""
    async with open_webui(tmp_path, pace=1.0) as ui:
        await _stopped(ui, how)
        await ui.quiet()
        assert ui.shown()[-1] == ("Stopped", True)
        assert "w3 " in ui.text()
        (run,) = ui.letta.runs.values()
        await until(lambda: run.over)
        assert run.status == "cancelled"
        assert "w49" not in ui.text()


async def _stopped(ui, how) -> None:
    answer = await ui.pipe.pipe(**ui.params(SLOW))

    async def read() -> None:
        async for chunk in answer:
            ui.chunks.append(chunk)
            if "w3 " in ui.text():
                if how == "closed":
                    return
                reading.cancel()

    reading = asyncio.create_task(read())
    await asyncio.gather(reading, return_exceptions=True)
    await answer.aclose()


async def test_stopped_though_not_streamed(tmp_path):
    """Who does not stream can stop, too."""
    async with open_webui(tmp_path, pace=1.0) as ui:
        asking = asyncio.create_task(ui.whole(SLOW))
        await until(lambda: ui.letta.runs)
        await asyncio.sleep(0.1)
        asking.cancel()
        await asyncio.gather(asking, return_exceptions=True)
        await ui.quiet()
        (run,) = ui.letta.runs.values()
        await until(lambda: run.over)
        assert run.status == "cancelled"


async def test_stopped_where_nobody_looks(tmp_path):
    """The agent is stopped although the status can be shown to nobody any more."""
    async with open_webui(tmp_path, pace=1.0) as ui:

        async def emit(event):
            if event["data"]["description"] == "Stopped":
                raise RuntimeError("the page is gone")

        answer = await ui.pipe.pipe(**ui.params(SLOW, __event_emitter__=emit))
        await anext(answer)
        await answer.aclose()
        await ui.quiet()
        (run,) = ui.letta.runs.values()
        await until(lambda: run.over)
        assert run.status == "cancelled"


async def test_stopped_before_anything_came(tmp_path):
    """Also then the status is done."""
    async with open_webui(tmp_path, pace=1.0) as ui:
        answer = await ui.pipe.pipe(**ui.params(does(text="x", pre=5)))
        reading = asyncio.create_task(anext(answer))
        await until(lambda: ui.statuses)
        reading.cancel()
        await asyncio.gather(reading, return_exceptions=True)
        await ui.quiet()
        assert ui.shown()[-1] == ("Stopped", True)


async def test_errors_in_words(tmp_path):
    """What goes wrong is told in words, below what was said; the status is done."""
    async with open_webui(tmp_path) as ui:
        said = await ui.ask("@@drop@@")
        assert said
        assert ui.errors
        assert not re.search(r"[{}]|Traceback|HTTP", ui.errors[0])
        assert ui.shown()[-1][1] is True
        assert (await ui.whole("@@drop@@")).startswith(said)


async def test_the_gateway_refuses(tmp_path):
    """A wrong key, a wrong type, an empty message: each is said in words."""
    keys = [{"name": "ui", "key": "k1"}]
    async with open_webui(tmp_path, keys=keys) as ui:
        await ui.ask("Hello")
        ui.pipe.valves.API_KEY = "k1"
        assert await ui.ask("Hello") == "You said: Hello"
        await ui.ask("")
        ui.pipe.valves.AGENT_TYPE = "nobody"
        await ui.ask("Hello")
        assert "key" in ui.errors[0]
        assert "administrator" in ui.errors[0]
        assert "'message'" in ui.errors[1]
        assert "nobody" in ui.errors[2]
        assert "administrator" in await loaded_elsewhere(ui, "http://127.0.0.1:9")
        assert "administrator" in await loaded_elsewhere(ui, "nonsense")
        assert "administrator" in await loaded_elsewhere(ui, "")


async def test_a_key_as_it_is_pasted(tmp_path):
    """Blanks around a key are none of it; one that cannot be sent is said in words."""
    async with open_webui(tmp_path, keys=[{"name": "ui", "key": "k1"}]) as ui:
        ui.pipe.valves.API_KEY = " k1\n"
        assert await ui.ask("Hello") == "You said: Hello"
        ui.pipe.valves.API_KEY = "k1\nX-Other: k1"
        assert await ui.whole("Hello") == (
            "The assistant's address or key is not set right. Please tell an administrator."
        )


async def loaded_elsewhere(ui, url: str) -> str:
    ui.pipe.valves.GATEWAY_URL = url
    return await ui.whole("Hello")


@pytest.mark.parametrize("more", ["", "/", "/v1", "/v1/"])
async def test_an_address(more, tmp_path):
    """The address of the connection, which ends in /v1, is as good."""
    async with open_webui(tmp_path) as ui:
        assert await loaded_elsewhere(ui, ui.gateway.url + more) == "You said: Hello"


async def test_something_else_answers(tmp_path):
    """An address at which no gateway is gives no riddles."""
    async with open_webui(tmp_path) as ui:
        assert "HTTP 404" in await loaded_elsewhere(ui, ui.letta.url)


@pytest.mark.parametrize("said", ["<p>Welcome</p>", "[]", '{"id": 5}', "{"])
async def test_something_else_takes_it(said, tmp_path):
    """Nor does one at which whatever is asked is answered with 200."""

    async def welcome(request: web.Request) -> web.Response:
        kind = "text/html" if said.startswith("<") else "application/json"
        return web.Response(text=said, content_type=kind)

    app = web.Application()
    app.add_routes([web.route("*", "/{path:.*}", welcome)])
    async with open_webui(tmp_path) as ui, TestServer(app) as other:
        told = await loaded_elsewhere(ui, str(other.make_url("/")))
        assert told == "What answers is not the assistant's service. Please tell an administrator."


async def test_a_busy_model(tmp_path):
    """A model that has enough is a matter of time."""
    async with open_webui(tmp_path) as ui:
        await ui.ask("@@err429@@")
        assert ui.errors == [
            "The assistant has too much to do right now. Please try again in a moment."
        ]


async def test_the_agent_was_deleted(tmp_path):
    """An agent that somebody has deleted is made anew."""
    async with open_webui(tmp_path) as ui:
        await ui.ask("one")
        (agent,) = own(ui)
        await ui.gateway.session.delete(f"{ui.letta.url}/v1/agents/{agent.id}")
        assert await ui.ask("two") == "You said: two"
        assert [each.id for each in own(ui)] != [agent.id]


async def test_a_line_that_breaks(tmp_path):
    """A stream that breaks off is taken up where it was: nothing is lost or doubled."""
    async with open_webui(tmp_path, pace=1.0) as ui, line(ui.gateway.port) as way:
        ui.pipe.valves.GATEWAY_URL = way.url
        cuts = 0
        async for _ in ui.stream(SLOW):
            if ("w7 " in ui.text() and cuts == 0) or ("w20 " in ui.text() and cuts == 1):
                cuts += 1
                assert way.cut()
        assert cuts == 2
        assert ui.text() == "".join(f"w{number} " for number in range(50))
        assert ui.errors == []


async def test_a_line_that_breaks_often(tmp_path, monkeypatch):
    """However often: as long as something comes in between it goes on."""
    async with open_webui(tmp_path, pace=1.0) as ui, line(ui.gateway.port) as way:
        monkeypatch.setitem(ui.pipe.pipe.__globals__, "PAUSE", 0.0)
        ui.pipe.valves.GATEWAY_URL = way.url
        cuts = 0
        async for _ in ui.stream(SLOW):
            if f"w{cuts * 6} " in ui.text() and cuts < 7:
                cuts += 1
                assert way.cut()
        assert cuts == 7
        assert ui.text() == "".join(f"w{number} " for number in range(50))
        assert ui.errors == []


async def test_a_gateway_that_starts_anew(tmp_path, monkeypatch):
    """One that has no room or is not ready yet is asked again."""
    async with open_webui(tmp_path, pace=1.0) as ui, line(ui.gateway.port) as way:
        monkeypatch.setitem(ui.pipe.pipe.__globals__, "PAUSE", 0.1)
        ui.pipe.valves.GATEWAY_URL = way.url
        capacity = ui.gateway.gateway.app[CAPACITY]
        most, refused = capacity.most, 0
        async for _ in ui.stream(SLOW):
            if "w7 " in ui.text() and capacity.most == most and not refused:
                capacity.most = 0
                way.cut()
                asyncio.get_running_loop().call_later(0.15, setattr, capacity, "most", most)
            refused = capacity.load.turned_away
        assert refused
        assert ui.text() == "".join(f"w{number} " for number in range(50))


async def test_a_line_that_stays_broken(tmp_path, monkeypatch):
    """In the end it is given up, in words."""
    async with open_webui(tmp_path, pace=1.0) as ui, line(ui.gateway.port) as way:
        monkeypatch.setitem(ui.pipe.pipe.__globals__, "PAUSE", 0.0)
        ui.pipe.valves.GATEWAY_URL = way.url
        async for _ in ui.stream(SLOW):
            if "w7 " in ui.text() and not way.down:
                way.down = True
                way.cut()
        assert ui.errors == ["The connection to the assistant is lost. Please try again."]
        assert ui.shown()[-1][1] is True


async def test_other_forms_of_a_message(tmp_path):
    """Images go along; a reply that is to be continued is asked for in words."""
    url = {"url": "data:image/png;base64,aGk="}
    parts = [{"type": "text", "text": "Look"}, {"type": "image_url", "image_url": url}]
    async with open_webui(tmp_path) as ui:
        await ui.ask(parts)
        (said,) = [
            each.body["messages"][0]
            for each in ui.letta.requests
            if each.path.endswith("/messages")
        ]
        assert [part["type"] for part in said["content"]] == ["text", "image"]
        history = [{"role": "user", "content": "one"}, {"role": "assistant", "content": "I"}]
        assert "go on" in await ui.ask("", body={"messages": history})


async def test_not_streamed(tmp_path):
    """Who does not stream gets the text, without a status if nobody shows any."""
    async with open_webui(tmp_path) as ui:
        text = await ui.whole("@@reason@@", __event_emitter__=None, __chat_id__=None)
        assert text == "The answer is 42."


async def test_letta_is_slow_to_make_agents(tmp_path):
    """Two messages at once make one agent."""
    async with open_webui(tmp_path) as ui:
        ui.letta.fail(Fault(latency=0.05), path="/agents/$", method="POST")
        await asyncio.gather(*(ui.whole("Hello", chat=f"c{n}") for n in range(4)))
        assert len(own(ui)) == 1
