"""The rows of the table of clients."""

from __future__ import annotations

from collections.abc import Mapping

from tests.clients.agents_sdk.driver import AgentsSDK
from tests.clients.cline.driver import Cline
from tests.clients.codex.driver import CodexCLI
from tests.clients.driver import Driver
from tests.clients.langchain.driver import LangChain, LangChainResponses
from tests.clients.openai_node.driver import OpenAINode, OpenAINodeResponses
from tests.clients.openai_python.driver import OpenAIPython, OpenAIPythonResponses
from tests.clients.vercel_ai.driver import VercelAI


DRIVERS: Mapping[str, type[Driver]] = {
    "openai Python": OpenAIPython,
    "openai Python, Responses": OpenAIPythonResponses,
    "openai Node": OpenAINode,
    "openai Node, Responses": OpenAINodeResponses,
    "Agents SDK": AgentsSDK,
    "LangChain": LangChain,
    "LangChain, Responses": LangChainResponses,
    "Vercel AI SDK": VercelAI,
    "Codex CLI": CodexCLI,
    "Cline CLI": Cline,
}
