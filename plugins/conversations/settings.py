"""What can be set of `conversation_resolver`."""

from __future__ import annotations

from typing import Literal

import attrs
from attrs.validators import ge, gt


@attrs.frozen
class Config:
    """Settings of `conversation_resolver`."""

    mode: Literal["stateless", "agent"] = attrs.field(
        default="stateless",
        metadata={
            "help": "requests without a chat key: stateless (a scratch conversation fed with the"
            " client's history) or agent (one conversation that goes on)"
        },
    )
    chat_headers: list[str] = attrs.field(
        factory=lambda: ["X-Letta-Chat-Key", "X-OpenWebUI-Chat-Id"],
        metadata={"help": "headers whose value names the chat"},
    )
    reply_header: str = attrs.field(
        default="X-OpenWebUI-Message-Id",
        metadata={"help": "header with the id of the reply asked for ({{MESSAGE_ID}})"},
    )
    parent_header: str = attrs.field(
        default="X-OpenWebUI-Parent-Id",
        metadata={
            "help": "header with the id of the reply that the user answers"
            " ({{USER_MESSAGE_PARENT_ID}})"
        },
    )
    agent_conversation: Literal["own", "default"] = attrs.field(
        default="own",
        metadata={"help": "in mode agent: a conversation of the gateway's, or the agent's default"},
    )
    tasks: Literal["answer", "empty"] = attrs.field(
        default="answer",
        metadata={"help": "titles and tags for a chat UI: let the agent answer apart, or say {}"},
    )
    task_header: str = attrs.field(
        default="X-OpenWebUI-Task",
        metadata={"help": "header that marks a chat UI's own requests ({{TASK}} in Open WebUI)"},
    )
    share_legacy: bool = attrs.field(
        default=False,
        metadata={"help": "let several chats share the one context of an older agent"},
    )
    wait_seconds: float = attrs.field(
        default=30.0,
        validator=ge(0),
        metadata={"help": "how long a request waits for a busy conversation"},
    )
    queue: int = attrs.field(
        default=8,
        validator=ge(0),
        metadata={"help": "how many requests may wait for one conversation"},
    )
    ttl_days: float = attrs.field(
        default=30.0,
        validator=gt(0),
        metadata={"help": "days without a request after which a chat is forgotten"},
    )
    scratch_minutes: float = attrs.field(
        default=60.0,
        validator=ge(0),
        metadata={"help": "minutes for which a scratch conversation waits for results of tools"},
    )
