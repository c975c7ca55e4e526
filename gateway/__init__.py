"""letta-gateway: Letta agents for anything that speaks the OpenAI API."""

__version__ = "0.1.0"
