"""OpenAI's published types as JSON schemas, and what of our payloads is not theirs."""
