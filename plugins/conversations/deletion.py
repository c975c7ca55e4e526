"""Conversations that are not needed any more, and those that nobody waited for."""

from __future__ import annotations

from collections.abc import Awaitable

from gateway.plugin import Reject, Services


async def delete(services: Services, conversation: str) -> None:
    """Delete it at Letta; if that fails the log says so."""
    try:
        await services.letta.delete_conversation(conversation)
    except Reject as exc:
        services.logger.warning("conversation {} is left behind: {}", conversation, exc.message)


async def unmake(services: Services, made: Awaitable[str]) -> None:
    """Delete it as soon as it is there."""
    try:
        conversation = await made
    except Reject:
        return  # none was made
    await delete(services, conversation)
