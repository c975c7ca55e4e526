"""`POST /v1/responses`: parse, find the place, ask the pipeline, encode."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import attrs
from aiohttp import web

from gateway.call import Call
from gateway.errors import Reject
from gateway.streams import Stream
from gateway.streams.kept import Keep
from gateway.surfaces import openai_errors
from gateway.surfaces.coming import Coming
from gateway.surfaces.responses.chain import Chain
from gateway.surfaces.responses.conversations import check
from gateway.surfaces.responses.encoder import NO_FRAMES, Encoder
from gateway.surfaces.responses.kept import SURFACE, Kept, Record
from gateway.surfaces.responses.request import Wanted, in_our_words, parse
from gateway.surfaces.responses.retries import retries_of
from gateway.surfaces.responses.sending import Begun, Source, streamed, whole
from gateway.surfaces.responses.shell import Shell, repeated
from gateway.surfaces.responses.state import kept_of
from gateway.web.request import asking_of, json_body


IDEMPOTENCY_KEY = "idempotency-key"
OPEN_WEBUI = "x-openwebui-"


async def create(request: web.Request) -> web.StreamResponse:
    """Answer one request: kept, unless the client wants otherwise."""
    asking = asking_of(request)
    wanted = parse(await json_body(request))
    asking.context = attrs.evolve(asking.context, surface=SURFACE)
    asking.note(model=wanted.model, stream=wanted.stream)
    kept = await kept_of(request)
    await check(kept, wanted.conversation)
    key = asking.headers.get(IDEMPOTENCY_KEY, "")
    link = await Chain(kept).link(wanted, key)
    wanted = attrs.evolve(wanted, input=link.record.input)
    call = wanted.call(asking.headers, link.said, link.thread)
    with _in_our_words():
        if wanted.store:
            return await _kept(request, kept, wanted, call, link.record)
        return await _passing(request, kept, wanted, call, link.record.reply)


async def _passing(
    request: web.Request, kept: Kept, wanted: Wanted, call: Call, token: str
) -> web.StreamResponse:
    """It is not kept, and cancelled when its client leaves."""
    asking = asking_of(request)
    given = kept.ids.sign("resp", token)
    shell = Shell(given, token, int(time.time()), wanted.model, repeated(wanted))
    beginning = kept.streams.begin(asking.answers, call, asking.context)
    async with Coming(beginning) as coming:
        return await _answer(request, coming, wanted, shell)


async def _kept(
    request: web.Request, kept: Kept, wanted: Wanted, call: Call, record: Record
) -> web.StreamResponse:
    """It goes on when its client leaves, and may be asked for later."""
    asking = asking_of(request)
    answers, context = asking.answers, asking.context
    keep = Keep(repeated(wanted), wanted.background, ended=kept.close)
    retries = await retries_of(kept, answers, call, context)
    stream = await retries.begun(answers)
    if stream is None:
        stream = await kept.streams.start(answers, call, context, keep)
    async with stream:
        asking.note(response=stream.id)
        if not stream.replayed:
            await kept.write(stream.id, record)
            await kept.close(stream.id)  # it may have ended before its record was there
            await retries.note(stream.id)
        try:
            response = await _begun(request, kept, wanted, stream)
        except Reject:
            await kept.drop(stream.id)
            raise
        except (asyncio.CancelledError, ConnectionError, TimeoutError):
            if never_returns(asking.headers):
                kept.streams.spawn(kept.stop(stream.id))
            raise
        if response.status != 200:
            await kept.drop(stream.id)
        return response


async def _begun(
    request: web.Request, kept: Kept, wanted: Wanted, stream: Stream
) -> web.StreamResponse:
    if wanted.stream or not wanted.background:
        return await _answer(request, Begun(stream), wanted, kept.shell(stream.head))
    await stream.prepared(asking_of(request).answers.keepalive)
    return openai_errors.response(200, await kept.body(stream.id))


async def _answer(
    request: web.Request, source: Source, wanted: Wanted, shell: Shell
) -> web.StreamResponse:
    if wanted.stream:
        return await streamed(request, source, Encoder(shell))
    return await whole(request, source, Encoder(shell, after=NO_FRAMES))


def never_returns(headers: Mapping[str, str]) -> bool:
    """
    Whether a client that leaves has stopped the answer.

    Open WebUI reads on by itself when its user goes away, and hangs up when he presses Stop.
    """
    return any(name.startswith(OPEN_WEBUI) and value for name, value in headers.items())


@contextmanager
def _in_our_words() -> Iterator[None]:
    """What plugins say of a request, with the names that its fields have here."""
    try:
        yield
    except Reject as exc:
        raise Reject(
            exc.status,
            exc.code,
            in_our_words(exc.message),
            type=exc.type,
            param=exc.param and in_our_words(exc.param),
            retry=exc.retry,
        ) from exc
