"""What answers cost."""

from __future__ import annotations

import json
from collections.abc import Mapping
from fnmatch import fnmatchcase

import attrs
from attrs.validators import ge, optional

from gateway.events import Usage


@attrs.frozen
class Price:
    """What a million tokens cost."""

    prompt: float = attrs.field(validator=ge(0), metadata={"help": "tokens that the model reads"})
    completion: float = attrs.field(
        validator=ge(0), metadata={"help": "tokens that the model writes"}
    )
    cached: float | None = attrs.field(
        default=None,
        validator=optional(ge(0)),
        metadata={"help": "tokens that it has read before; as `prompt` if nothing is said"},
    )

    def millionths(self, usage: Usage) -> int:
        """The price in millionths, which have no fractions to lose."""
        cached = min(usage.cached or 0, usage.prompt)
        known = self.prompt if self.cached is None else self.cached
        read = (usage.prompt - cached) * self.prompt + cached * known
        return round(read + usage.completion * self.completion)


@attrs.frozen
class Bill:
    """A caller's answers of one month. `unpriced` ones are of models without a price."""

    answers: int = 0
    prompt: int = 0
    completion: int = 0
    millionths: int = 0
    unpriced: int = 0

    def plus(self, usage: Usage, price: Price | None) -> Bill:
        """The same with one answer more."""
        return Bill(
            self.answers + 1,
            self.prompt + usage.prompt,
            self.completion + usage.completion,
            self.millionths + (price.millionths(usage) if price else 0),
            self.unpriced + (price is None),
        )

    def dump(self) -> bytes:
        """As the store keeps it."""
        return json.dumps(attrs.asdict(self)).encode()

    @classmethod
    def load(cls, stored: bytes | None) -> Bill:
        """As it was kept; an empty one, if it was not."""
        return cls(**json.loads(stored)) if stored else cls()


def price_of(model: str, prices: Mapping[str, Price]) -> Price | None:
    """The price of the first pattern that fits; `*` stands for anything."""
    return next((price for like, price in prices.items() if fnmatchcase(model, like)), None)
