"""A request that an SDK sends again because its connection broke: it goes on with its response.

The SDKs hang up when an answer takes too long, and ask again at once. What is said in a chat
must not be said twice, and results of tools can be told only once.
"""

from __future__ import annotations

import attrs

from gateway.call import Call
from gateway.pipeline import Answers
from gateway.services import Context
from gateway.streams import NoStream, Stream
from gateway.streams.identity import attempt_of, digest_of
from gateway.surfaces.responses.kept import SURFACE, Kept


# The SDKs wait for an answer for ten minutes, and then some.
NOTED_SECONDS = 3600.0


@attrs.frozen
class Retries:
    """
    Knows which response a request has begun; `name` is where that is stored.

    It is "" for requests that may as well be answered anew, in a conversation of their own: two
    that say the same are two. All raise `StoreError` if the store does not answer.
    """

    kept: Kept
    name: str
    attempt: int

    async def begun(self, answers: Answers) -> Stream | None:
        """The response of an attempt before, if it has not failed or been stopped."""
        if not self.name or not self.attempt:
            return None
        noted = await self.kept.store.read(self.name)
        token = "" if noted is None else noted.decode()
        if not token or await self.kept.read(token) is None:  # its client was told an error
            return None
        try:
            stood = await self.kept.streams.look(token, self.kept.caller)
            if stood.state == "cancelled":
                return None
            stream = await self.kept.streams.resume(token, self.kept.caller, answers)
        except NoStream:
            return None
        stream.replayed = True
        return stream

    async def note(self, token: str) -> None:
        """This is the response that was begun."""
        if self.name:
            await self.kept.store.put(self.name, token.encode(), ttl=NOTED_SECONDS)


async def retries_of(kept: Kept, answers: Answers, call: Call, context: Context) -> Retries:
    """
    What is known of the attempts of a request.

    Raises:
        Reject: Its chat is named in a way that cannot be.
    """
    attempt = attempt_of(call)
    chat = await answers.chat(call, context)
    chat = "" if call.thread.passing and chat == call.thread.chat else chat
    once = chat or any(message.role == "tool" for message in call.messages)
    if attempt is None or not once:
        return Retries(kept, "", 0)
    digest = digest_of(call, SURFACE, chat)
    return Retries(kept, f"/responses/{kept.caller.identity}/sent/{digest}", attempt)
