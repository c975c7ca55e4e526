"""Names of the client's tools, at Letta and at the client's: an agent's own are never hidden."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Self

import attrs

from gateway.plugin import Tool


LONGEST = 64


@attrs.frozen
class Names:
    """The names that had to be changed, from the client's to Letta's, and back."""

    renamed: Mapping[str, str] = attrs.field(factory=dict)

    @classmethod
    def of(cls, tools: Sequence[Tool], own: Collection[str]) -> Self:
        """Rename whatever has the name of one of the agent's own tools."""
        taken = {*own, *(tool.name for tool in tools)}
        renamed: dict[str, str] = {}
        for tool in tools:
            if tool.name in own:
                renamed[tool.name] = _free(tool.name, taken)
                taken.add(renamed[tool.name])
        return cls(renamed)

    def there(self, name: str) -> str:
        """What Letta calls it."""
        return self.renamed.get(name, name)

    def here(self, name: str) -> str:
        """What the client calls it."""
        return next((mine for mine, theirs in self.renamed.items() if theirs == name), name)


def _free(name: str, taken: Collection[str]) -> str:
    number = 1
    while True:
        ending = "_client" if number == 1 else f"_client{number}"
        if (other := name[: LONGEST - len(ending)] + ending) not in taken:
            return other
        number += 1
