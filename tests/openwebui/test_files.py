"""Images and documents."""

from __future__ import annotations

import base64
import json
import struct
import zlib

from tests.openwebui.marks import ON_STAGE
from tests.openwebui.page import Page
from tests.openwebui.stage import ACTOR, Stage


pytestmark = ON_STAGE


def png(color: bytes, size: int = 64) -> bytes:
    """A square of one color."""
    rows = b"".join(b"\0" + color * size for _ in range(size))
    head = struct.pack(">IIBBBBB", size, size, 8, 2, 0, 0, 0)
    chunks = ((b"IHDR", head), (b"IDAT", zlib.compress(rows)), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        for kind, data in chunks
    )


RED = png(b"\xcc\x22\x22")


async def test_an_image(stage: Stage, page: Page) -> None:
    """The agent sees it once, with the message that it came with."""
    await page.new_chat(ACTOR)
    await page.attach("red.png", "image/png", RED)
    await page.say("What is on it?")
    await page.shot("image")
    await page.say("Are you sure?")

    first, second = stage.asked("What is on it?"), stage.asked("Are you sure?")
    assert [part["type"] for part in first[-1]["content"]] == ["text", "image"]
    assert base64.b64decode(first[-1]["content"][1]["source"]["data"]) == RED
    assert "image" not in json.dumps(second)


async def test_a_document(stage: Stage, page: Page) -> None:
    """What Open WebUI has found in it comes with the question, which is no task of its own."""
    await page.new_chat(ACTOR)
    await page.attach("notes.txt", "text/plain", b"The word is marmalade.")
    await page.say("Which is the word?")
    await page.shot("document")
    await page.say("Thank you.")

    [conversation] = stage.told("marmalade")
    assert [role for role, _ in conversation] == ["user", "assistant", "user", "assistant"]
    asked = conversation[0][1]
    assert asked.startswith("### Task:\nRespond to the user query")
    assert asked.endswith("Which is the word?")
