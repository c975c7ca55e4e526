"""What becomes of every field of a request: the table that docs/parameters.md is made of.

`python -m tests.docs.parameters` writes the page anew.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import attrs

from tests.docs.pages import ROOT


PAGE = ROOT / "docs" / "parameters.md"


@attrs.frozen
class Field:
    """
    One field, and what its row says.

    `honoured`: there is a test of its own that sees what it does; `elsewhere`: it sees, too, where
    the field is ignored. `ignored` is a value that is
    not used; the header says `named`, if that is not the field's name. `refused` is a value
    that is a 400 with this code.
    """

    name: str
    says: str
    honoured: bool = False
    ignored: Any = None
    named: str = ""
    refused: Any = None
    code: str = "unsupported_value"
    param: str = ""
    elsewhere: bool = False

    @property
    def outcome(self) -> str:
        """In a word, or in several where it depends."""
        found = {
            "honoured": self.honoured,
            "ignored": self.elsewhere or self.ignored is not None,
            "refused": self.refused is not None,
        }
        return ", ".join(word for word, applies in found.items() if applies)


AGENTS_OWN = "the agent at Letta has its own"
OPENAIS = "there is nothing like it at Letta"
REACHES = "[reaches the agent's model](operating.md#what-reaches-the-model)"
CARRIED = f"{REACHES} where there is no named chat"
ALONE = f"{REACHES} where `store` is false and nothing was said before"
ABOUT = "elsewhere the answer ends after about as many"
FUNCTION = {"name": "get_time", "parameters": {"type": "object"}}
CHAT_TOOL = {"type": "function", "function": FUNCTION}
TOOL = {"type": "function", **FUNCTION}

CHAT: Sequence[Field] = (
    Field("model", "names the agent", True, refused="", code="missing_model"),
    Field("messages", "what is said", True, refused="Hello", code="invalid_value"),
    Field("audio", "agents write", ignored={"voice": "alloy", "format": "mp3"}),
    Field("conversation", "names the chat; not OpenAI's", True, refused=7, code="invalid_type"),
    Field(
        "enable_thinking",
        "false is passed on to Letta; not OpenAI's",
        True,
        refused="false",
        code="invalid_type",
    ),
    Field("frequency_penalty", f"{AGENTS_OWN}; 0 asks for nothing", ignored=1.5),
    Field(
        "function_call",
        "as `tool_choice`, in OpenAI's older form",
        True,
        refused="required",
        code="invalid_value",
    ),
    Field("functions", "as `tools`, in OpenAI's older form", True, refused={}, code="invalid_type"),
    Field("logit_bias", AGENTS_OWN, ignored={"50256": -100}),
    Field("logprobs", "Letta does not tell them; false asks for nothing", ignored=True),
    Field(
        "max_completion_tokens",
        f"{CARRIED}; {ABOUT}",
        True,
        refused=0,
        code="invalid_value",
    ),
    Field("max_tokens", "the same; the newer field counts", True, refused=0, code="invalid_value"),
    Field(
        "metadata",
        "`chat_id` names the chat; nothing else of it is kept",
        True,
        ignored={"color": "red"},
        named="metadata.color",
        refused="red",
        code="invalid_type",
    ),
    Field("modalities", "text; anything else is refused", True, refused=["text", "audio"]),
    Field("moderation", OPENAIS, ignored={"model": "omni-moderation-latest"}),
    Field("n", "1: an agent gives one answer", True, refused=2),
    Field(
        "parallel_tool_calls",
        "false: one call at a time; true: as many as the agent's own setting lets it",
        True,
        refused="no",
        code="invalid_type",
    ),
    Field("prediction", OPENAIS, ignored={"type": "content", "content": "Hello"}),
    Field("presence_penalty", f"{AGENTS_OWN}; 0 asks for nothing", ignored=1.5),
    Field("prompt_cache_key", OPENAIS, ignored="key"),
    Field("prompt_cache_options", OPENAIS, ignored={"mode": "explicit"}),
    Field("prompt_cache_retention", OPENAIS, ignored="24h"),
    Field("reasoning_effort", AGENTS_OWN, ignored="low"),
    Field(
        "response_format",
        "JSON, by a schema or any object",
        True,
        refused={"type": "poem"},
        param="response_format.type",
    ),
    Field("safety_identifier", OPENAIS, ignored="user-1"),
    Field("seed", "the model is not told", ignored=7),
    Field("service_tier", f"{OPENAIS}; `auto` asks for nothing", ignored="flex"),
    Field(
        "stop",
        "a text or up to four; the answer ends before the first",
        True,
        refused=["a", "b", "c", "d", "e"],
        code="invalid_value",
    ),
    Field("store", "the conversation at Letta is all that is kept", ignored=True),
    Field("stream", "server-sent events", True, refused="yes", code="invalid_type"),
    Field(
        "stream_options",
        "`include_usage`: a last chunk has the usage; no chunk has obfuscation",
        True,
        ignored={"include_obfuscation": True},
        named="stream_options.include_obfuscation",
        refused=True,
        code="invalid_type",
    ),
    Field(
        "temperature",
        f"{CARRIED}; elsewhere ignored",
        True,
        refused=3,
        code="invalid_value",
        elsewhere=True,
    ),
    Field(
        "tool_choice",
        "`none` keeps the tools from the agent; for a call that must come the agent is asked twice",
        True,
        refused={"type": "allowed_tools"},
        code="invalid_value",
    ),
    Field(
        "tools",
        "functions that the client runs",
        True,
        refused=[{"type": "custom", "custom": {"name": "grammar"}}],
        code="invalid_value",
        param="tools.[0].type",
    ),
    Field("top_logprobs", "Letta does not tell them; 0 asks for nothing", ignored=2),
    Field("top_p", f"{AGENTS_OWN}; 1 asks for nothing", ignored=0.5),
    Field("user", "the key says who asks", ignored="ada"),
    Field("verbosity", AGENTS_OWN, ignored="low"),
    Field("web_search_options", "the agent has tools of its own", ignored={"user_location": None}),
)

RESPONSES: Sequence[Field] = (
    Field("model", "names the agent", True, refused="", code="missing_model"),
    Field("input", "what is said: text or items", True, refused=[], code="invalid_value"),
    Field("access_programs", OPENAIS, ignored={"cyber": "standard"}),
    Field(
        "background", "the answer goes on without its client", True, refused=1, code="invalid_type"
    ),
    Field("context_management", "Letta tends the context", ignored=[{"type": "compaction"}]),
    Field(
        "conversation",
        "names the conversation",
        True,
        refused=["c"],
        code="invalid_type",
    ),
    Field(
        "enable_thinking",
        "false is passed on to Letta; not OpenAI's",
        True,
        refused="false",
        code="invalid_type",
    ),
    Field("image", "agents write", ignored={"quality": "low"}),
    Field(
        "include",
        "nothing of it is to be had",
        ignored=["reasoning.encrypted_content"],
    ),
    Field(
        "instructions",
        "a system message ahead of the input",
        True,
        refused=["Be brief."],
        code="invalid_type",
    ),
    Field(
        "max_output_tokens",
        f"{ALONE}; {ABOUT}",
        True,
        refused=0,
        code="invalid_value",
    ),
    Field("max_tool_calls", "the agent's tools are its own affair", ignored=3),
    Field("metadata", "the response has it again", True, refused="red", code="invalid_type"),
    Field("moderation", OPENAIS, ignored={"model": "omni-moderation-latest"}),
    Field(
        "parallel_tool_calls",
        "false: one call at a time; true: as many as the agent's own setting lets it",
        True,
        refused="no",
        code="invalid_type",
    ),
    Field(
        "previous_response_id",
        "the response that this one follows",
        True,
        refused="resp_none",
        code="previous_response_not_found",
    ),
    Field("prompt", "a template is OpenAI's to fill in", refused={"id": "pmpt_1"}),
    Field("prompt_cache_key", OPENAIS, ignored="key"),
    Field("prompt_cache_options", OPENAIS, ignored={"mode": "explicit"}),
    Field("prompt_cache_retention", OPENAIS, ignored="24h"),
    Field(
        "reasoning",
        "`summary`: there is always one, of whatever length; the effort is the agent's own",
        True,
        ignored={"effort": "low"},
    ),
    Field("safety_identifier", OPENAIS, ignored="user-1"),
    Field("service_tier", f"{OPENAIS}; `auto` asks for nothing", ignored="flex"),
    Field(
        "store",
        "false: the response cannot be asked for nor followed",
        True,
        refused="no",
        code="invalid_type",
    ),
    Field("stream", "server-sent events", True, refused="yes", code="invalid_type"),
    Field(
        "stream_options",
        "no event has obfuscation; to want none asks for nothing",
        ignored={"include_obfuscation": True},
    ),
    Field(
        "temperature",
        f"{ALONE}; elsewhere ignored",
        True,
        refused=3,
        code="invalid_value",
        elsewhere=True,
    ),
    Field(
        "text",
        "`format`: JSON, by a schema or any object; the verbosity is the agent's own",
        True,
        ignored={"verbosity": "low"},
        named="text.verbosity",
        refused={"format": {"type": "poem"}},
        param="text.format.type",
    ),
    Field(
        "tool_choice",
        "`none` keeps the tools from the agent; for a call that must come the agent is asked twice",
        True,
        refused={"type": "function", "name": "nobody"},
        code="invalid_value",
    ),
    Field(
        "tools",
        "functions that the client runs; those that OpenAI would run are left out",
        True,
        ignored=[{"type": "web_search"}],
        named="tools.web_search",
        refused={},
        code="invalid_type",
    ),
    Field("top_logprobs", "Letta does not tell them; 0 asks for nothing", ignored=2),
    Field("top_p", f"{AGENTS_OWN}; 1 asks for nothing", ignored=0.5),
    Field("truncation", "Letta tends the context; `disabled` asks for nothing", ignored="auto"),
    Field("user", "the key says who asks; the response has it again", ignored="ada"),
)

# Fields that the gateway has and OpenAI does not.
OURS = {"conversation", "enable_thinking"}

TABLES: Mapping[str, Sequence[Field]] = {
    "Chat completions": CHAT,
    "Responses": RESPONSES,
}

HEAD = """\
# Parameters

What becomes of each field of OpenAI's API in a request.

- *honoured*: it does what it says.
- *ignored*: the request is answered without it. The answer's header `x-letta-gateway-ignored` names
  it, or the part of it (`text.verbosity`), and so does `ignored` in the gateway's log line. A
  stream whose first 10 seconds were silent cannot have the header.
- *refused*: the answer is 400, and its `param` names the field.

Where there are several of these, it depends on the value. null is as if the field were not
there. Fields that are not listed here are ignored; in a Responses request `max_tokens`, `stop` and
`response_format` are read all the same. The header has 20 names at most, and none that is not of
ASCII letters, digits and `_ . -`. All this is so with the built-in pipeline. What reaches an
agent's model, [`carries`](#what-an-agent-can-do) tells.
"""


TAIL = """\
## What an agent can do

`GET /v1/models/{id}` tells it in `letta`; `GET /v1/models` too, but for `tools`:

| key | |
|---|---|
| `agent_id` | the agent's id at Letta |
| `agent_type` | at Letta; older types than `letta_v1_agent` have one context for all chats |
| `model` | the agent's model |
| `context_window` | of that model, in tokens |
| `tools` | the names of the agent's own tools; null if Letta does not tell |
| `client_tools` | whether it can call functions that the client runs |
| `parallel_tool_calls` | whether it may call several at once |
| `carries` | what reaches its model of a request that has a conversation to itself |

In `carries` there may be `temperature`, `max_tokens` (by either of its names), `json_object` and
`json_schema` (of `response_format`). What is not known is null. Whether a model can see is not
known to Letta. Chat UIs are told that it can (`capabilities` in `info.meta`), since Open WebUI
would leave images out; an operator who knows better says so under `models`.
"""


def page() -> str:
    """The page."""
    return "\n".join([HEAD, *_tables(), TAIL])


def _tables() -> Iterator[str]:
    for title, fields in TABLES.items():
        yield f"## {title}\n\n| field | | |\n|---|---|---|"
        for field in fields:
            yield f"| `{field.name}` | {field.outcome} | {field.says} |"
        yield ""


if __name__ == "__main__":
    PAGE.write_text(page().rstrip("\n") + "\n")
