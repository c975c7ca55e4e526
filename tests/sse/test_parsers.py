"""Every recording on every surface that streams, read by parsers that are not ours."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

import pytest

from tests.gateway.web.console.browser import chromium
from tests.sse.parsers import (
    aiohttp_sse_client,
    eventsource_parser,
    httpx_sse,
    page_of,
    read_of,
    serving,
)
from tests.sse.streams import AWKWARD, SURFACES, Read, Stream, stream


each_surface = pytest.mark.parametrize("surface", SURFACES)


def check(read: Sequence[Read], of: Stream) -> None:
    """All its events and no others; ids may be said once or with each event that follows."""
    expected = of.expected
    assert len(read) == len(expected)
    for got, wanted in zip(read, expected, strict=True):
        assert got[:2] == wanted[:2]
        assert got[2] == wanted[2] or not wanted[2]


@each_surface
def test_httpx_sse(surface: str) -> None:
    """httpx-sse reads what was written, cut at every awkward place and not at all."""
    of = stream(surface)
    check(httpx_sse(of.pieces()), of)
    check(httpx_sse([of.data]), of)


@pytest.mark.needs_command("node", package="nodejs")
@pytest.mark.needs_command("npm", package="npm")
@each_surface
async def test_eventsource_parser(surface: str, tmp_path: Path) -> None:
    """eventsource-parser reads the same, cut at every awkward place."""
    of = stream(surface)
    check(await eventsource_parser(tmp_path, of), of)


async def test_aiohttp_sse_client() -> None:
    """aiohttp-sse-client reads the same, over a connection that brings it in pieces."""
    streams = [stream(surface) for surface in SURFACES]
    async with serving(streams) as server:
        for of in streams:
            check(await aiohttp_sse_client(f"{server.url}/streams/{of.name}"), of)


@pytest.mark.needs_command("npm", package="npm")
async def test_a_browser() -> None:
    """A page that fetches reads the same, and so does the browser's own EventSource."""
    streams = [stream(surface) for surface in SURFACES]
    async with (
        chromium() as browser,
        serving(streams) as server,
        page_of(browser, server) as page,
    ):
        for of in streams:
            path = f"/streams/{of.name}"
            check(read_of(await page.evaluate("path => fetched(path)", f"{path}?fetched")), of)
            names = sorted({name for name, _, _ in of.expected})
            asked = [f"{path}?heard", names]
            check(read_of(await page.evaluate("asked => heard(...asked)", asked)), of)


def test_the_places_are_awkward() -> None:
    """Pieces end within a character, within a line end and within a field's name."""
    of = stream("chat_completions")
    pieces = of.pieces()
    assert b"".join(pieces) == of.data
    assert any(piece[:1] >= b"\x80" and piece[:1] < b"\xc0" for piece in pieces)
    assert any(one.endswith(b"\n") and two == b"\n" for one, two in pairwise(pieces))
    assert any(piece.startswith(b"ata: ") for piece in pieces)
    assert AWKWARD[-8:] in of.data.decode()


def test_a_stream_that_is_wrong_is_found() -> None:
    """A line too few at the end of an event, or an event that was lost, is not taken for right."""
    of = stream("responses")
    spoiled = of.data.replace(b"\n\nevent: response.completed", b"\nevent: response.completed", 1)
    assert spoiled != of.data
    with pytest.raises(AssertionError):
        check(httpx_sse([spoiled]), of)
