"""Agents of older types have one context, whatever conversation is named.

So they can serve one chat, and what they were told once cannot be told otherwise. Some forget
it all after each answer: they can serve anybody, and are told everything each time.
"""

from __future__ import annotations

from typing import NoReturn

import attrs

from gateway.plugin import Agent, Call, Conversation, Reject, Store
from plugins.conversations.refusals import said_of


async def bind(store: Store, agent: Agent, chat: str, *, ttl: float) -> None:
    """
    The agent belongs to the first chat that names it, for as long as that goes on.

    Raises:
        Reject: It belongs to another.
    """
    name, owner = f"legacy/{agent.id}", chat.encode()
    if await store.put_if_absent(name, owner, ttl=ttl):
        return
    if await store.read(name) != owner:
        _refuse(
            agent,
            "has one context and is in use by another chat. Make the agent anew as"
            " letta_v1_agent, or set share_legacy",
        )
    await store.put(name, owner, ttl=ttl)


def anew(call: Call) -> Call:
    """All that was said before, with the calls and results as text, and what is new."""
    return attrs.evolve(call, conversation=Conversation("default"), input=said_of(call.messages))


def refuse_anew(agent: Agent) -> NoReturn:
    """Say that a turn that was delivered cannot be answered anew."""
    _refuse(
        agent,
        "has one context for everything it was told: it cannot answer a turn anew. Send a new"
        " message instead",
    )


def _refuse(agent: Agent, why: str) -> NoReturn:
    text = f"The agent '{agent.name}' ({agent.type}) {why}."
    raise Reject(409, "conversation_unsupported", text, retry=False)
