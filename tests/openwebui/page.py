"""What a user of Open WebUI does and sees, in a page of a browser."""

from __future__ import annotations

import asyncio
import json
import os
import re
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any, TypeVar

import attrs

from tests.openwebui.server import OpenWebUI, User


T = TypeVar("T")

PATIENCE = 30_000  # milliseconds

# Where things are in its pages, version 0.12.
SAY = "#chat-input"
SEND = "#send-message-button:not([disabled])"
STOP = 'button[aria-label="Stop"]'
REPLY = ".chat-assistant"
ERROR = 'div[class*="bg-black/[0.03]"]'
TOOL = '[id$="-tool-call"]'
STATUS = ".status-description"


@attrs.define
class Page:
    """A page with a chat. `asked` is what it asked of anybody but its own server."""

    ui: OpenWebUI
    user: User
    tab: Any
    asked: list[str] = attrs.field(factory=list)

    async def new_chat(self, *models: str, temporary: bool = False) -> None:
        """Begin a chat with these models."""
        named = "&temporary-chat=true" if temporary else ""
        await self.tab.goto(f"{self.ui.url}/?models={','.join(models)}{named}")
        await self.tab.wait_for_selector("button[id^=model-selector]")
        await self.tab.wait_for_selector(SAY)
        # The composer is there before it is asked which models there are.
        await self.tab.wait_for_selector('button[aria-label^="Selected model: "]')

    async def another_chat(self) -> None:
        """Begin one with the same model, without loading the page anew."""
        await self.tab.locator('[aria-label="New Chat"]:visible').first.click()
        await self.tab.wait_for_selector(REPLY, state="detached")

    async def send(self, text: str) -> None:
        """Send a message; the answer has begun, or what stands in its place."""
        before = await self.tab.locator(REPLY).count()
        await self.tab.click(SAY)
        await self.tab.keyboard.insert_text(text)
        await self.tab.click(SEND)
        await self.tab.wait_for_function(
            f"n => document.querySelectorAll('{REPLY}').length > n", arg=before
        )

    async def say(self, text: str) -> str:
        """Send a message and wait for the whole answer."""
        await self.send(text)
        return await self.answered()

    async def answered(self) -> str:
        """The last reply, when nothing is on its way any more and it is stored."""
        await self.tab.wait_for_selector(STOP, state="detached")
        return str((await self.until_stored(lambda message: bool(message.get("done"))))["content"])

    async def try_again(self, how: str = "Try Again") -> str:
        """Regenerate the last reply."""
        before = await self.reply()
        await self.tab.locator('button[aria-label="Regenerate"]').last.click()
        await self.tab.get_by_text(how, exact=True).click()
        return await self._another(before)

    async def edit(self, text: str) -> str:
        """Say something else instead of the last message."""
        before, said = await self.reply(), self.tab.locator(".user-message").last
        await said.hover()
        await said.locator('button[aria-label="Edit"]').click()
        await self.tab.fill("textarea[id^=message-edit]", text)
        await self.tab.click("#confirm-edit-message-button")
        return await self._another(before)

    async def go_on(self) -> str:
        """Let the last reply be continued."""
        before = (await self.stored())["content"]
        await self.tab.click("#continue-response-button")
        await self.until_stored(lambda message: message["content"] != before)
        return await self.answered()

    async def fork(self) -> None:
        """Go on in a copy of the chat."""
        before = self.chat
        await self.tab.locator('button[aria-label="Fork chat"]').last.click()
        await self.tab.wait_for_url(lambda url: "/c/" in url and before not in url)
        await self.tab.wait_for_selector(REPLY)

    async def attach(self, name: str, kind: str, data: bytes) -> None:
        """Put a file to the message that is to be sent."""
        file = {"name": name, "mimeType": kind, "buffer": data}
        async with self.tab.expect_response(lambda got: "/api/v1/files" in got.url) as uploaded:
            await self.tab.locator("input[type=file]").first.set_input_files(file)
        await (await uploaded.value).finished()
        if not kind.startswith("image/"):
            await self.tab.get_by_text(name).first.wait_for()

    async def stop(self) -> None:
        """Press Stop."""
        await self.tab.click(STOP)
        await self.tab.wait_for_selector(STOP, state="detached")

    async def reload(self) -> None:
        """As the page is when it is opened again."""
        await self.tab.reload()
        await self.tab.wait_for_selector(REPLY)
        await self.tab.wait_for_selector(SAY)

    async def shows(self, selector: str, text: str = "", *, where: str = REPLY) -> None:
        """Wait until the last reply has this in it, with a text."""
        found = self.tab.locator(where).last.locator(selector)
        await found.filter(has_text=text).first.wait_for(timeout=PATIENCE)

    async def text(self) -> str:
        """The last reply as it is read."""
        return str(await self.tab.locator(REPLY).last.inner_text())

    async def html(self) -> str:
        return str(await self.tab.locator(REPLY).last.inner_html())

    async def error(self) -> str:
        """What the grey box under the last reply says, and what is stored of it."""
        await self.shows(ERROR)
        box = str(await self.tab.locator(REPLY).last.locator(ERROR).first.inner_text()).strip()
        stored = await self.until_stored(lambda message: bool(message.get("error")))
        assert box in json.dumps(stored["error"], ensure_ascii=False)
        return box

    @property
    def chat(self) -> str:
        """The id of the chat."""
        found = re.search(r"/c/([0-9a-f-]+)", self.tab.url)
        assert found, self.tab.url
        return found[1]

    async def messages(self) -> dict[str, Any]:
        """All messages of the chat as they are stored, by their ids."""
        found: dict[str, Any] = (await self._history())["messages"]
        return found

    async def shot(self, name: str) -> None:
        """A picture of the page, where the environment names a folder for them."""
        if folder := os.environ.get("LETTA_GATEWAY_TEST_SHOTS"):
            await asyncio.sleep(1)  # what moves comes to rest
            await self.tab.screenshot(path=f"{folder}/{name}.png")

    async def stored(self) -> dict[str, Any]:
        """The last reply as it is stored."""
        return (await self.messages()).get(await self.reply(), {})

    async def reply(self) -> str:
        """The id of the last reply."""
        of_message = "each => each.closest('[id^=message-]').id"
        found = await self.tab.locator(REPLY).last.evaluate(of_message)
        return str(found).removeprefix("message-")

    async def until_stored(self, reached: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
        """The same as soon as this is true of it."""
        await self.tab.wait_for_url(re.compile("/c/"))
        return await until(self.stored, reached)

    async def _another(self, before: str) -> str:
        await until(self.reply, lambda reply: reply != before)
        return await self.answered()

    async def _history(self) -> Any:
        return (await self.ui.chat(self.user, self.chat))["history"]


async def window(browser: Any, user: User) -> Any:
    """A window of the browser in which this user has signed in; its pages share a cache."""
    made = await browser.new_context(viewport={"width": 1000, "height": 760})
    await made.add_init_script(f"localStorage.setItem('token', {json.dumps(user.token)})")
    return made


@asynccontextmanager
async def page(window: Any, ui: OpenWebUI, user: User) -> AsyncIterator[Page]:
    """A page of this user's, in their window."""
    tab = await window.new_page()
    tab.set_default_timeout(PATIENCE)
    made = Page(ui, user, tab)

    def note(request: Any) -> None:
        if not request.url.startswith((ui.url, "data:", "blob:")):
            made.asked.append(request.url)

    tab.on("request", note)
    try:
        yield made
    finally:
        await tab.close()


async def until(reached: Callable[[], Awaitable[T]], wanted: Callable[[T], object] = bool) -> T:
    """What is `reached`, as soon as it is what is wanted."""
    async with asyncio.timeout(PATIENCE / 1000):
        while not wanted(found := await reached()):  # noqa: ASYNC110  there is no event
            await asyncio.sleep(0.1)
    return found
