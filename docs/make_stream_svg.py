"""Make docs/stream.svg: a stream of the demo's agent Milo, as it comes.

letta-gateway demo
python docs/make_stream_svg.py
"""

from __future__ import annotations

import asyncio
import io
import json
import re
import sys
import time
from pathlib import Path
from typing import Any

import aiohttp
import attrs
from rich.console import Console
from rich.markdown import Markdown
from rich.text import Text


WIDTH = 104
AT_FIRST = 5
AT_LAST = 3

BODY = {
    "model": "Milo",
    "stream": True,
    "messages": [{"role": "user", "content": "What can you do?"}],
}

# The template asks the reader's browser to fetch a font; what it has will do.
FETCHED_FONT = re.compile(r"@font-face \{.*?\}\s*", re.DOTALL)


@attrs.frozen
class Piece:
    """A chunk's delta, and how long after the request it came."""

    seconds: float
    delta: dict[str, Any]
    finish: str | None


async def stream(url: str) -> list[Piece]:
    """Ask, and note when each piece comes."""
    pieces: list[Piece] = []
    async with aiohttp.ClientSession(raise_for_status=True) as session:
        started = time.monotonic()
        async with session.post(f"{url}/v1/chat/completions", json=BODY) as response:
            async for line in response.content:
                if not line.startswith(b"data: {"):
                    continue
                choice = json.loads(line.removeprefix(b"data: "))["choices"][0]
                seconds = time.monotonic() - started
                pieces.append(Piece(seconds, choice["delta"], choice["finish_reason"]))
    return pieces


def picture(pieces: list[Piece]) -> Console:
    """What the terminal shows: the request, the first and last pieces, and the whole answer."""
    console = Console(record=True, width=WIDTH, file=io.StringIO(), force_terminal=True)
    console.print(Text("$ curl -N http://127.0.0.1:8284/v1/chat/completions \\", "bold"))
    console.print(Text("    -H 'Content-Type: application/json' \\", "bold"))
    console.print(Text(f"    -d '{json.dumps(BODY)}'", "bold"), soft_wrap=True)
    console.print()
    for piece in pieces[:AT_FIRST]:
        console.print(line_of(piece))
    console.print(Text(f"          ⋮ {len(pieces) - AT_FIRST - AT_LAST} more", "dim"))
    for piece in pieces[-AT_LAST:]:
        console.print(line_of(piece))
    console.print()
    console.print(Text(said(pieces, "reasoning_content"), "italic dim"))
    console.print()
    console.print(Markdown(said(pieces, "content")))
    return console


def line_of(piece: Piece) -> Text:
    """One piece, cut to the width."""
    shown = json.dumps(piece.delta, ensure_ascii=False)
    if piece.finish:
        shown += f'  "finish_reason": "{piece.finish}"'
    colours = {"content": "green", "reasoning_content": "yellow"}
    colour = next((colours[field] for field in piece.delta if field in colours), "cyan")
    line = Text.assemble((f"{piece.seconds:6.2f} s  ", "dim"), (shown, colour))
    line.truncate(WIDTH, overflow="ellipsis")
    return line


def said(pieces: list[Piece], field: str) -> str:
    """All that came in one field."""
    return "".join(piece.delta.get(field) or "" for piece in pieces)


def main() -> None:
    """Write the picture: `make_stream_svg.py [URL] [FILE]`."""
    url = sys.argv[1] if len(sys.argv) > 1 else "http://127.0.0.1:8284"
    file = Path(sys.argv[2]) if len(sys.argv) > 2 else Path(__file__).with_name("stream.svg")
    console = picture(asyncio.run(stream(url)))
    svg = console.export_svg(title="letta-gateway", unique_id="stream")
    file.write_text(FETCHED_FONT.sub("", svg), encoding="utf-8")


if __name__ == "__main__":
    main()
