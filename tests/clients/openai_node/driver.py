"""OpenAI's Node SDK: chat completions and Responses."""

from __future__ import annotations

from typing import ClassVar

from tests.clients.node_driver import NodeDriver
from tests.clients.node_packages import OPENAI


class OpenAINode(NodeDriver):
    """Chat completions, by `runTools`."""

    clients: ClassVar = OPENAI


class OpenAINodeResponses(OpenAINode):
    """The Responses API, by the SDK's helper for streams."""

    api: ClassVar = "responses"
