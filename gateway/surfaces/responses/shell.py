"""A response around its items: what of it is known from the request alone, and what is not."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import attrs

from gateway.events import Error, Usage
from gateway.surfaces.responses.request import Wanted


# Fields of the request that a response repeats, and what they are where they were not sent.
REPEATED: Mapping[str, Any] = {
    "instructions": None,
    "max_output_tokens": None,
    "max_tool_calls": None,
    "metadata": {},
    "parallel_tool_calls": True,
    "previous_response_id": None,
    "reasoning": {"effort": None, "summary": None},
    "service_tier": "default",
    "temperature": None,
    "text": {"format": {"type": "text"}},
    "tool_choice": "auto",
    "tools": [],
    "top_p": None,
    "truncation": "disabled",
    "user": None,
}


@attrs.frozen
class Shell:
    """
    What all readers of a response are told alike.

    `token` is the part of the id that its items' ids have, too; `created` is in Unix seconds.
    """

    id: str
    token: str
    created: int
    model: str
    repeated: Mapping[str, Any]

    def body(
        self,
        status: str,
        output: Sequence[Mapping[str, Any]],
        *,
        error: Error | None = None,
        incomplete: str | None = None,
        usage: Usage | None = None,
    ) -> dict[str, Any]:
        """The whole object."""
        return {
            "id": self.id,
            "object": "response",
            "created_at": self.created,
            "status": status,
            "error": error and {"code": error.code, "message": error.message},
            "incomplete_details": incomplete and {"reason": incomplete},
            "model": self.model,
            "output": list(output),
            "usage": usage and usage_of(usage),
            **self.repeated,
        }


def repeated(wanted: Wanted) -> dict[str, Any]:
    """What the response repeats of its request."""
    sent = {name: wanted.body.get(name) for name in REPEATED}
    fields = {name: REPEATED[name] if value is None else value for name, value in sent.items()}
    named = {"id": wanted.conversation} if wanted.conversation else None
    fields |= {"conversation": named, "store": wanted.store, "background": wanted.background}
    return fields


def usage_of(usage: Usage) -> dict[str, Any]:
    """The usage object."""
    return {
        "input_tokens": usage.prompt,
        "input_tokens_details": {"cached_tokens": usage.cached or 0, "cache_write_tokens": 0},
        "output_tokens": usage.completion,
        "output_tokens_details": {"reasoning_tokens": usage.reasoning or 0},
        "total_tokens": usage.prompt + usage.completion,
    }
