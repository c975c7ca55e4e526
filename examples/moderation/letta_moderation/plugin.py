"""Each sentence of an answer is judged before it is shown."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager

import aiohttp
import attrs
from attrs.validators import gt, matches_re, min_len

from gateway.events import Event, Finish, TextDelta
from gateway.plugin import Context, Plugin, Services
from letta_moderation.sentences import Sentences


@attrs.frozen
class Config:
    """Settings of `moderation`."""

    url: str = attrs.field(
        validator=matches_re(r"https?://\S+"),
        metadata={"help": "who judges: any address that takes what OpenAI's /v1/moderations takes"},
    )
    api_key: str = attrs.field(
        default="", repr=False, metadata={"help": "the bearer token for it, if it wants one"}
    )
    model: str = attrs.field(
        default="omni-moderation-latest", metadata={"help": "the model that judges"}
    )
    seconds: float = attrs.field(
        default=5.0, validator=gt(0), metadata={"help": "longest time for a judgement"}
    )
    longest: int = attrs.field(
        default=400,
        validator=gt(0),
        metadata={"help": "characters after which a sentence is judged before its end"},
    )
    notice: str = attrs.field(
        default="(The rest of this answer is withheld.)",
        validator=min_len(1),
        metadata={"help": "what is said instead of the rest"},
    )


class Moderation(Plugin[Config]):
    """Stops an answer at the first sentence that is not allowed."""

    @asynccontextmanager
    async def lifespan(self, services: Services) -> AsyncIterator[None]:
        timeout = aiohttp.ClientTimeout(total=self.config.seconds)
        key = self.config.api_key
        headers = {"Authorization": f"Bearer {key}"} if key else {}
        async with aiohttp.ClientSession(timeout=timeout, headers=headers) as self._session:
            yield

    async def wrap(
        self, flow: AsyncGenerator[Event, None], context: Context
    ) -> AsyncGenerator[Event, None]:
        sentences = Sentences(self.config.longest)
        async for event in flow:
            for ready in sentences.feed(event):
                if isinstance(ready, TextDelta) and await self._flagged(ready.text):
                    yield TextDelta(self.config.notice, "moderation")
                    yield Finish("content_filter")
                    return
                yield ready

    async def _flagged(self, text: str) -> bool:
        """
        What the judge says. If there is none, this raises, and `on_failure` decides: `fail`
        ends the answer, `bypass` lets it go on without a judge.
        """
        if not text.strip():
            return False
        body = {"model": self.config.model, "input": text}
        async with self._session.post(self.config.url, json=body) as response:
            response.raise_for_status()
            answer = await response.json()
        return any(result["flagged"] for result in answer["results"])
