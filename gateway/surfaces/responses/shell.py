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
}

# The same, but only of what was sent: OpenAI's types have no null for these.
ONLY_SENT = ("user",)


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
        whole = {
            "id": self.id,
            "object": "response",
            "created_at": self.created,
            "status": status,
            "access_programs": None,
            "error": error and {"code": error.code, "message": error.message},
            "incomplete_details": incomplete and {"reason": incomplete},
            "model": self.model,
            "output": list(output),
            **self.repeated,
        }
        if usage is not None:  # OpenAI's types have no null for it
            whole["usage"] = usage_of(usage)
        return whole


def repeated(wanted: Wanted) -> dict[str, Any]:
    """What the response repeats of its request."""
    body = wanted.body
    sent = {name: body.get(name) for name in REPEATED}
    fields = {name: REPEATED[name] if value is None else value for name, value in sent.items()}
    fields |= {name: body[name] for name in ONLY_SENT if body.get(name) is not None}
    fields["tools"] = [_tool(tool) for tool in fields["tools"]]
    named = {"id": wanted.conversation} if wanted.conversation else None
    fields |= {"conversation": named, "store": wanted.store, "background": wanted.background}
    return fields


def _tool(tool: Mapping[str, Any]) -> Mapping[str, Any]:
    """A function has these, also where its client has not sent them."""
    needed = {"parameters": None, "strict": None} if tool["type"] == "function" else {}
    return {**needed, **tool}


def usage_of(usage: Usage) -> dict[str, Any]:
    """The usage object."""
    return {
        "input_tokens": usage.prompt,
        "input_tokens_details": {"cached_tokens": usage.cached or 0, "cache_write_tokens": 0},
        "output_tokens": usage.completion,
        "output_tokens_details": {"reasoning_tokens": usage.reasoning or 0},
        "total_tokens": usage.prompt + usage.completion,
    }
