"""What a client asks of the agent's model, apart from what it says."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

import attrs


@attrs.frozen
class Settings:
    """
    What the client asks of the agent's model, for one request; None: as the agent has it.

    `max_tokens` is for each step of the agent. `format` is OpenAI's `response_format`.
    """

    temperature: float | None = None
    max_tokens: int | None = None
    format: Mapping[str, Any] | None = None

    @property
    def asked(self) -> frozenset[str]:
        """The names of those that are set; a format goes by its type: `json_schema`, ..."""
        named = {"temperature": self.temperature, "max_tokens": self.max_tokens}
        formats = () if self.format is None else (str(self.format.get("type")),)
        return frozenset(name for name, value in named.items() if value is not None).union(formats)

    @property
    def fields(self) -> frozenset[str]:
        """The fields of a request that say these."""
        lengths = () if self.max_tokens is None else ("max_tokens", "max_completion_tokens")
        heat = () if self.temperature is None else ("temperature",)
        return frozenset((*heat, *lengths, *(() if self.format is None else ("response_format",))))

    def only(self, names: Collection[str]) -> Settings:
        """Those that have these names."""
        named = self.asked.intersection(names)
        return Settings(
            self.temperature if "temperature" in named else None,
            self.max_tokens if "max_tokens" in named else None,
            self.format if self.format is not None and self.format.get("type") in named else None,
        )


NO_SETTINGS = Settings()
