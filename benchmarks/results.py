"""The figures of a run: their medians, spreads, and ratios to the raw passthrough."""

from __future__ import annotations

import statistics
from collections.abc import Mapping

import attrs


@attrs.define
class Results:
    """What was measured of each contender, and what could not be."""

    contenders: dict[str, str] = attrs.field(factory=dict)
    """Name, and version and how it is run."""
    absent: dict[str, str] = attrs.field(factory=dict)
    """Name, and why it is not in the run."""
    values: dict[str, dict[str, list[float]]] = attrs.field(factory=dict)
    """Figure, contender, a value a round."""
    lost: dict[str, dict[str, str]] = attrs.field(factory=dict)
    """Scene, contender, and why it gave no figure."""

    def add(self, contender: str, figures: Mapping[str, float]) -> None:
        """One more round's."""
        for figure, value in figures.items():
            self.values.setdefault(figure, {}).setdefault(contender, []).append(value)

    def median(self, figure: str, contender: str) -> float | None:
        """Of all rounds; None where there is no figure."""
        found = self.values.get(figure, {}).get(contender)
        return statistics.median(found) if found else None

    def spread(self, figure: str, contender: str) -> tuple[float, float] | None:
        """The lowest and the highest, where there were several rounds."""
        found = self.values.get(figure, {}).get(contender, [])
        return (min(found), max(found)) if len(found) > 1 else None

    def ratio(self, figure: str, contender: str, to: str) -> float | None:
        """The contender's median over another's."""
        mine, other = self.median(figure, contender), self.median(figure, to)
        return mine / other if mine is not None and other else None
