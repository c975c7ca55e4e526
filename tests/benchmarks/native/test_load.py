"""The load checks every answer word for word."""

from __future__ import annotations

import re
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import TypeAlias

import pytest

from benchmarks.contender import Served
from benchmarks.native.load import Broken, Job, Outcome, request, start
from benchmarks.native.upstream import Shape
from benchmarks.process import free_port


# What a gateway makes of a stream's lines.
Deed: TypeAlias = Callable[[list[bytes]], Sequence[bytes]]

SHAPE = Shape(5, 5)


def served(url: str, wire: str = "openai") -> Served:
    path = {"openai": "/v1/chat/completions", "letta": "/v1/conversations/c/messages"}[wire]
    return Served(0, url + path, wire, "bench")


def outcome(programs, where: Served, **job) -> Outcome:
    """Of a job of two streams, unless it is said otherwise."""
    return start(
        programs, where, Job(**{"streams": 2, "requests": 2, "shape": SHAPE, **job})
    ).outcome()


class Silent(BaseHTTPRequestHandler):
    """Answers nothing, and prints nothing."""

    def log_message(self, *_: object) -> None:
        return


@contextmanager
def gateway(upstream: str, deed: Deed) -> Iterator[str]:
    """A gateway that does this with every stream."""

    class Handler(Silent):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            asked = urllib.request.Request(upstream + self.path, body)
            with urllib.request.urlopen(asked, timeout=30) as answer:
                lines = answer.read().split(b"\n\n")
            self.send_response(200)
            self.end_headers()
            self.wfile.write(b"\n\n".join(deed(lines)))

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_address[1]}"
        finally:
            server.shutdown()
            thread.join()


@pytest.mark.parametrize("wire", ["openai", "letta"])
@pytest.mark.parametrize("whole", [False, True])
def test_whole_answers(programs, upstream_, wire, whole):
    """Two clients, six answers: all came, streamed or not, in either protocol."""
    upstream_.answer(SHAPE)

    found = outcome(programs, served(upstream_.letta, wire), requests=6, whole=whole)

    assert (found.asked, found.ok, found.why) == (6, 6, "")
    assert found.deltas == (6 if whole else 60)
    assert upstream_.counts().answers == 6
    assert upstream_.counts().connections == 2


def test_paced(programs, upstream_):
    """At a pace it tells how far the gaps were from it, and that nothing was late."""
    shape = Shape(0, 5, 10)
    upstream_.answer(shape)

    found = outcome(programs, served(upstream_.letta), shape=shape, ramp_seconds=0.01)

    assert found.good
    assert found.first_us.p50 <= found.first_us.max <= found.total_us.max


LOSSES: dict[str, tuple[Deed, str]] = {
    "loses one": (lambda lines: [*lines[:4], *lines[5:]], "another text than was sent"),
    "says one twice": (lambda lines: [*lines[:4], *lines[3:]], "another text than was sent"),
    "swaps two": (
        lambda lines: [*lines[:3], lines[4], lines[3], *lines[5:]],
        "another text than was sent",
    ),
    "stops early": (lambda lines: lines[:9], "text is missing"),
    "keeps the end": (lambda lines: lines[:-2], r"it did not say \[DONE\]"),
    "goes on": (lambda lines: [*lines[:-1], lines[3], b""], r"it went on after \[DONE\]"),
    "says an error": (
        lambda lines: [*lines[:3], b'data: {"error": {"message": "no"}}', b""],
        "there was an error",
    ),
    "is no JSON": (lambda lines: [*lines[:3], b"data: {oops", *lines[3:]], "not JSON"),
    "hides a part of the reasoning": (
        lambda lines: [*lines[:3], *lines[6:]],
        "reasoning is missing",
    ),
}


@pytest.mark.parametrize(("deed", "why"), LOSSES.values(), ids=LOSSES)
def test_what_is_lost_is_seen(programs, upstream_, deed, why):
    """A gateway that loses, doubles, swaps or cuts a single piece is found out."""
    upstream_.answer(SHAPE)

    with gateway(upstream_.letta, deed) as url:
        found = outcome(programs, served(url))

    assert not found.good
    assert found.ok == 0
    assert re.search(why, found.why)


def test_nothing_is_lost(programs, upstream_):
    """The same gateway, when it passes on what it gets, is good."""
    upstream_.answer(SHAPE)

    with gateway(upstream_.letta, lambda lines: lines) as url:
        found = outcome(programs, served(url))

    assert (found.good, found.silent) == (True, 0)


def test_cut_and_joined_otherwise(programs, upstream_):
    """Lines with CRLF and comments between them are the same stream."""
    upstream_.answer(SHAPE)

    with gateway(upstream_.letta, lambda lines: [b": ping\r", *lines]) as url:
        found = outcome(programs, served(url))

    assert found.good


def test_no_reasoning(programs, upstream_):
    """A gateway that shows no reasoning at all is not wrong; it is told."""
    upstream_.answer(SHAPE)

    def quiet(lines: list[bytes]) -> list[bytes]:
        return [line for line in lines if b"reasoning_content" not in line]

    with gateway(upstream_.letta, quiet) as url:
        found = outcome(programs, served(url))

    assert (found.good, found.silent) == (True, 2)


def test_refused(programs):
    """What a contender says instead of an answer is told."""
    with ThreadingHTTPServer(("127.0.0.1", 0), Silent) as server:
        thread = Thread(target=server.serve_forever)
        thread.start()
        try:
            found = outcome(programs, served(f"http://127.0.0.1:{server.server_address[1]}"))
        finally:
            server.shutdown()
            thread.join()

    assert found.ok == 0
    assert "501 Unsupported method" in found.why


def test_nobody_listens(programs):
    """A contender that has ended is no answer."""
    found = outcome(programs, served(f"http://127.0.0.1:{free_port()}"))

    assert (found.ok, found.why) == (0, "Connection refused")


def test_cannot_go_on(programs):
    """What the load itself cannot do is told as it says it."""
    running = start(programs, served("http://127.0.0.1:80"), Job(-1, 1, SHAPE))

    with pytest.raises(Broken, match="calloc"):
        running.outcome()


def test_request():
    """The request has the place of its number, and is asked for as the wire has it."""
    where = Served(0, "http://127.0.0.1:80/v1/chat/completions", "openai", "m", {"X-A": "b"})

    head, _, body = request(where, whole=False).partition(b"\r\n\r\n")

    assert b"POST /v1/chat/completions HTTP/1.1\r\nHost: 127.0.0.1:80" in head
    assert b"\r\nX-A: b" in head
    assert f"Content-Length: {len(body)}".encode() in head
    assert b'"stream": true' in body
    assert b"@@00000000" in body
