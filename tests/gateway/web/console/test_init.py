from __future__ import annotations

from contextlib import asynccontextmanager

import pytest

from gateway.testing.fakeletta import FakeLetta, Step
from tests.gateway.surfaces.native.native import native, until
from tests.gateway.web.console.browser import chromium, line


WORDS = tuple(f"w{number} " for number in range(60))
KEYS = [{"name": "app", "key": "k1"}]


def slow() -> FakeLetta:
    letta = FakeLetta()
    letta.add_agent("Slow", script=[Step(WORDS, "I think about it.", delay=0.02)])
    letta.add_agent("Milo")
    return letta


@asynccontextmanager
async def paged(tmp_path, path="/console/chat.html", letta=None, **settings):
    """The gateway, a line to it, and a page that came over it."""
    async with (
        native(tmp_path, letta, **settings) as api,
        line(api.gateway.port) as way,
        chromium() as browser,
    ):
        page = await browser.new_page()
        problems: list[str] = []
        page.on("pageerror", lambda error: problems.append(str(error)))
        await page.goto(f"{way.url}{path}")
        yield api, way, page
        assert problems == []


async def say(page, agent: str, content: str) -> None:
    await page.select_option("#agent", label=agent)
    await page.fill("#content", content)
    await page.click("#send")


async def answered(page, count: int = 1) -> list[str]:
    """The texts of so many answers, when all of them have ended."""
    done = "n => document.querySelectorAll('article.ai:not([data-state=streaming])').length >= n"
    await page.wait_for_function(done, arg=count, timeout=30_000)
    return await page.locator("article.ai .text").all_text_contents()


@pytest.mark.parametrize("name", ["chat.html", "chat.js", "chat.css", "letta-chat.js"])
async def test_files(name, tmp_path):
    """The pages need no key to be read, and let nothing else in."""
    async with native(tmp_path, keys=KEYS) as api, api.get(f"/console/{name}") as answer:
        assert answer.status == 200
        assert answer.headers["Content-Security-Policy"].startswith("default-src 'self';")
        assert await answer.read()
    async with native(tmp_path) as api, api.get("/console/../web/app.py") as answer:
        assert answer.status == 404
    async with native(tmp_path) as api, api.get("/console/app.py") as answer:
        assert answer.status == 404


async def test_a_chat(tmp_path):
    """A message is answered on the page: thoughts, text, one element for each message."""
    async with paged(tmp_path) as (_, _, page):
        await say(page, "Milo", "@@reason@@")
        assert await answered(page) == ["The answer is 42."]
        thoughts = await page.locator("article.ai details p").text_content()
        assert thoughts == "First I think. Then I conclude."
        await say(page, "Milo", "<b>Hello</b>")
        assert (await answered(page, 2))[1] == "You said: <b>Hello</b>"
        assert await page.locator("article").count() == 4
        assert await page.locator("article b").count() == 0


EVIL = "<img src=x onerror='window.hurt=1'>"


async def test_whatever_an_agent_says(tmp_path):
    """Names, thoughts, tools and errors of an agent's are text, whatever they look like."""
    letta = FakeLetta(pace=0)
    letta.add_agent(EVIL, script=[Step(EVIL, EVIL)])
    letta.add_agent("Busy", script=[Step(status=400, msg=EVIL)])
    async with paged(tmp_path, letta=letta) as (_, _, page):
        for count, agent in enumerate((EVIL, "Busy"), 1):
            await say(page, agent, EVIL)
            await answered(page, count)
        assert await page.locator("article .text").nth(1).text_content() == EVIL
        assert await page.locator("article.ai details p").first.text_content() == EVIL
        assert EVIL in (await page.locator("article.ai .error").last.text_content())
        assert await page.locator("img").count() == 0
        script = "document.body.append(Object.assign(document.createElement('script'), "
        await page.evaluate(f"() => {{ {script}{{ textContent: 'window.hurt = 1' }})); }}")
        assert await page.evaluate("() => window.hurt") is None


async def test_stopped(tmp_path):
    """An answer can be stopped; what was said stays."""
    async with paged(tmp_path, letta=slow()) as (_, _, page):
        await say(page, "Slow", "Hi")
        await page.wait_for_function("() => document.body.textContent.includes('w3 ')")
        await page.click("#stop")
        (text,) = await answered(page)
        assert text.startswith("w0 w1 w2 w3 ")
        assert "w59" not in text
        assert await page.get_attribute("article.ai", "data-state") == "cancelled"
        assert await page.locator("article.ai .status").text_content() == "Stopped"
        assert await page.is_hidden("#stop")


async def test_a_key(tmp_path):
    """With keys the page asks for one."""
    async with paged(tmp_path, keys=KEYS) as (_, _, page):
        await page.wait_for_selector("#key", state="visible")
        await page.fill("#key", "k1")
        await page.press("#key", "Enter")
        await page.wait_for_selector("#agent option", state="attached")
        await say(page, "Milo", "Hello")
        assert await answered(page) == ["You said: Hello"]


async def test_cut_again_and_again(tmp_path):
    """Lines that break in the middle of answers change nothing: nothing is lost or doubled."""
    async with paged(tmp_path, letta=slow()) as (api, way, page):
        await page.evaluate("() => { chat.least = 10; }")
        await say(page, "Slow", "one")
        await say(page, "Slow", "two")
        cuts = 0
        for number in (1, 9, 23, 40):
            await page.wait_for_function(f"() => document.body.textContent.includes('w{number} ')")
            cuts += way.cut()
        texts = await answered(page, 2)
        assert cuts >= 4
        assert texts == ["".join(WORDS)] * 2
        assert await page.locator("article").count() == 4
        assert len(api.letta.runs) == 2


async def test_said_while_the_line_is_down(tmp_path):
    """What is said without a connection is said when it is back, once."""
    async with paged(tmp_path) as (api, way, page):
        await page.evaluate("() => { Object.assign(chat, { least: 10, most: 40 }); }")
        await say(page, "Milo", "one")
        await answered(page)
        way.down = True
        way.cut()
        await page.wait_for_function("() => chat.state === 'waiting'")
        await say(page, "Milo", "two")
        before = way.tried
        await until(lambda: way.tried >= before + 3)
        way.down = False
        assert await answered(page, 2) == ["You said: one", "You said: two"]
        assert len(api.letta.runs) == 2


async def test_a_stream_that_is_no_more(tmp_path):
    """What cannot be taken up has failed, and the page says so."""
    async with paged(tmp_path, letta=slow()) as (_, way, page):
        await page.evaluate("() => { chat.least = 10; }")
        await say(page, "Slow", "Hi")
        await page.wait_for_function("() => document.body.textContent.includes('w3 ')")
        await page.evaluate(
            """() => {
                const message = [...chat.messages.values()].at(-1);
                chat.messages.set("f".repeat(32), Object.assign(message, { id: "f".repeat(32) }));
            }"""
        )
        way.cut()
        await page.wait_for_function(
            "() => chat.messages.get('f'.repeat(32)).state === 'failed'", timeout=10_000
        )


MODULE = """
async () => {
  const { LettaChat } = await import("/console/letta-chat.js");
  const sockets = [], waits = [], seen = [], states = [];
  let go;
  const chat = new LettaChat({
    url: "ws://x/ws", token: "k", least: 100, most: 1000, random: () => 1,
    connect: () => {
      const socket = { sent: [], send(data) { this.sent.push(JSON.parse(data)); }, close() {} };
      sockets.push(socket);
      return socket;
    },
    wait: (milliseconds) => { waits.push(milliseconds); return new Promise((r) => { go = r; }); },
  });
  chat.addEventListener("message", (event) => seen.push({ ...event.detail }));
  chat.addEventListener("state", (event) => states.push(event.detail));
  const hear = (frame) => sockets.at(-1).onmessage({ data: JSON.stringify(frame) });
  const stream = (phase, more = {}) => hear({
    type: "message_stream", id: "a", sender: "ai", session_id: "s", [phase]: true,
    metadata: { reply_to: "u", streaming: phase !== "stream_end", state: "finished" }, ...more,
  });
  const text = (seq, content) =>
    stream("stream_chunk", { seq, chunk: { type: "message", content } });
  const back = async () => { go(); await new Promise((r) => setTimeout(r)); };
  return await (SCRIPT)({ chat, sockets, waits, seen, states, hear, stream, text, back });
}
"""


async def run(tmp_path, script: str):
    """What a script makes of the module, without any gateway to talk to."""
    async with paged(tmp_path, "/console/letta-chat.js") as (_, _, page):
        return await page.evaluate(MODULE.replace("SCRIPT", script))


async def test_duplicates(tmp_path):
    """A start, a chunk or an end that was seen already changes nothing."""
    script = """async ({ chat, sockets, stream, text, seen }) => {
        chat.open(); sockets[0].onopen();
        stream("stream_start"); stream("stream_start");
        text(1, "a"); text(2, "b"); text(1, "a"); text(2, "b"); text(4, "c");
        stream("stream_end", { seq: 5 });
        const changes = seen.length;
        stream("stream_end", { seq: 5 }); text(4, "c"); stream("stream_start");
        return [[...chat.messages.values()], changes, seen.length];
    }"""
    (message,), changes, later = await run(tmp_path, script)
    assert (message["text"], message["state"], message["seq"]) == ("abc", "finished", 5)
    assert changes == later


async def test_a_gateway_that_knows_less(tmp_path):
    """One that was killed may have told more than it had written: its last words are heard."""
    script = """async ({ chat, sockets, stream, text }) => {
        chat.open(); sockets[0].onopen();
        stream("stream_start"); text(1, "a"); text(9, "b");
        stream("stream_chunk", { seq: 5, chunk: { type: "error", message: "It was killed." } });
        stream("stream_end", { seq: 5, metadata: { reply_to: "u", state: "failed" } });
        return [...chat.messages.values()];
    }"""
    (message,) = await run(tmp_path, script)
    assert (message["text"], message["state"]) == ("ab", "failed")
    assert (message["error"], message["seq"]) == ("It was killed.", 9)


async def test_a_whole_message_once(tmp_path):
    """So is a message that comes whole, and one that was streamed is not told again."""
    script = """async ({ chat, sockets, hear, stream, text }) => {
        chat.open(); sockets[0].onopen();
        const whole = (id) => hear({ type: "message", id, content: "Hi", sender: "ai",
          session_id: "s", metadata: { reply_to: "u", streaming: false } });
        whole("w"); whole("w");
        stream("stream_start"); text(1, "a"); whole("a");
        return [...chat.messages.values()].map((each) => [each.id, each.text]);
    }"""
    assert await run(tmp_path, script) == [["w", "Hi"], ["a", "a"]]


async def test_what_is_told_after_a_reconnect(tmp_path):
    """First who it is, then what is still being answered, then what may not have arrived."""
    script = """async ({ chat, sockets, stream, text, back }) => {
        chat.open(); sockets[0].onopen();
        stream("stream_start"); text(1, "a"); text(7, "b");
        const id = chat.send({ agentName: "Milo", session: "s", content: "Hello" });
        sockets[0].onclose({ code: 1006 }); await back(); sockets[1].onopen();
        return [id, sockets[0].sent, sockets[1].sent];
    }"""
    said_id, first, second = await run(tmp_path, script)
    message = {
        "type": "message",
        "id": said_id,
        "agentName": "Milo",
        "session_id": "s",
        "content": "Hello",
    }
    auth = {"type": "auth", "token": "k"}
    assert first == [auth, message]
    assert second == [auth, {"type": "resume", "id": "a", "after": 7}, message]


async def test_stopped_without_a_connection(tmp_path):
    """What is to be stopped is stopped when the connection is back, unless it has ended."""
    script = """async ({ chat, sockets, hear, stream, text, back }) => {
        chat.open(); sockets[0].onopen();
        stream("stream_start"); text(1, "a");
        sockets[0].onclose({ code: 1006 }); chat.interrupt("a"); await back();
        sockets[1].onopen();
        sockets[1].onclose({ code: 1006 }); await back(); sockets[2].onopen();
        hear({ type: "interrupted", id: "a", state: "cancelled" });
        chat.interrupt("u");
        stream("stream_end", { seq: 2, metadata: { reply_to: "u", state: "cancelled" } });
        sockets[2].onclose({ code: 1006 }); await back(); sockets[3].onopen();
        return sockets.slice(1).map((each) => each.sent.map((frame) => [frame.type, frame.id]));
    }"""
    again = [["auth", None], ["resume", "a"], ["interrupt", "a"]]
    assert await run(tmp_path, script) == [again, [*again, ["interrupt", "u"]], [["auth", None]]]


async def test_not_now(tmp_path):
    """An answer that cannot be stopped, or not be taken up for now, has not failed."""
    script = """async ({ chat, sockets, hear, stream, text, back }) => {
        chat.open(); sockets[0].onopen();
        let closed = 0;
        sockets[0].close = () => { closed += 1; };
        stream("stream_start"); text(1, "a");
        hear({ type: "error", code: "stream_not_stopped", id: "a", message: "It goes on." });
        const states = [chat.messages.get("a").state, closed];
        hear({ type: "error", code: "store_unavailable", id: "a", message: "Not now." });
        states.push(chat.messages.get("a").state, closed);
        hear({ type: "error", code: "stream_not_found", id: "a", message: "It is gone." });
        return [...states, chat.messages.get("a").state];
    }"""
    assert await run(tmp_path, script) == ["streaming", 0, "streaming", 1, "failed"]


async def test_backoff(tmp_path):
    """It waits longer each time that nothing is heard, up to a limit, and then begins anew."""
    script = """async ({ chat, sockets, waits, hear, back, states }) => {
        chat.open();
        for (let i = 0; i < 6; i++) { sockets.at(-1).onclose({ code: 1006 }); await back(); }
        sockets.at(-1).onopen(); sockets.at(-1).onclose({ code: 1006 }); await back();
        sockets.at(-1).onopen(); hear({ type: "pong" }); sockets.at(-1).onclose({ code: 1006 });
        return [waits, states.slice(0, 3)];
    }"""
    waits, states = await run(tmp_path, script)
    assert waits == [100, 200, 400, 800, 1000, 1000, 1000, 100]
    assert states == ["connecting", "waiting", "connecting"]


async def test_a_wrong_key(tmp_path):
    """Who is sent away for a wrong key does not come back with it."""
    script = """async ({ chat, sockets, waits, states }) => {
        chat.open(); sockets[0].onopen(); sockets[0].onclose({ code: 4401 });
        return [waits, states.at(-1), sockets.length];
    }"""
    assert await run(tmp_path, script) == [[], "unauthorized", 1]


async def test_closed(tmp_path):
    """Who closes it is not connected again."""
    script = """async ({ chat, sockets, waits, back }) => {
        chat.open(); sockets[0].onopen(); chat.close(); sockets[0].onclose({ code: 1000 });
        chat.open(); sockets[1].onclose({ code: 1006 }); chat.close(); await back();
        return [waits.length, sockets.length, chat.state];
    }"""
    assert await run(tmp_path, script) == [1, 2, "closed"]


async def test_refused(tmp_path):
    """A message that is refused has failed, and says why."""
    script = """async ({ chat, sockets, hear }) => {
        chat.open(); sockets[0].onopen();
        const id = chat.send({ agentName: "Milo", session: "s", content: "Hello" });
        hear({ type: "error", code: "too_many_answers", message: "Too many.", reply_to: id });
        hear({ type: "error", code: "invalid_json", message: "What?" });
        return [...chat.messages.values()].map((each) => [each.state, each.error]);
    }"""
    assert await run(tmp_path, script) == [["failed", "Too many."]]
