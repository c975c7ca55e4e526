"""A stream, read by raw eyes."""

from __future__ import annotations

import json
from typing import Any


async def chunks_of(answer: Any) -> list[Any]:
    """The JSON of each `data:` line, `[DONE]` as text."""
    blocks = [line for line in (await answer.read()).split(b"\n") if line.startswith(b"data: ")]
    data = [block.removeprefix(b"data: ") for block in blocks]
    return [json.loads(each) if each != b"[DONE]" else "[DONE]" for each in data]


def said_in(chunks: list[Any]) -> str:
    choices = [chunk["choices"][0] for chunk in chunks if chunk != "[DONE]" and "choices" in chunk]
    return "".join(choice["delta"].get("content") or "" for choice in choices)
