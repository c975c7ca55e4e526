"""Results as tables in Markdown."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from benchmarks.figures import FIGURES, Figure
from benchmarks.results import Results


def table(results: Results, base: str) -> str:
    """A row a figure, a column a contender; beside each median its ratio to `base`."""
    names = list(results.contenders)
    rows = [
        [figure.text, *(_cell(results, figure, name, base) for name in names)]
        for figure in _measured(results)
    ]
    return _markdown(["", *names], rows)


def spreads(results: Results) -> str:
    """The lowest and the highest round of each figure that was measured several times, if any."""
    names = list(results.contenders)
    rows = [
        [figure.text, *(_range(results, figure, name) for name in names)]
        for figure in _measured(results)
    ]
    several = [row for row in rows if any(row[1:])]
    return _markdown(["", *names], several) if several else ""


def contenders(results: Results) -> str:
    """What each is; what is not there, and why."""
    there = [f"- **{name}**: {about}" for name, about in results.contenders.items()]
    absent = [f"- **{name}** is not in this run: {why}" for name, why in results.absent.items()]
    lost = [
        f"- **{name}** has no figure for “{scene}”: {why}"
        for scene, by_name in results.lost.items()
        for name, why in by_name.items()
    ]
    return "\n".join(there + absent + lost)


def number(value: float, digits: int) -> str:
    """With so many digits, thousands apart."""
    return f"{value:,.{digits}f}".replace(",", " ")


def _measured(results: Results) -> Iterable[Figure]:
    return [
        figure for figure in FIGURES if figure.key in results.values or figure.scene in results.lost
    ]


def _cell(results: Results, figure: Figure, name: str, base: str) -> str:
    median = results.median(figure.key, name)
    if median is None:
        return "lost" if name in results.lost.get(figure.scene, {}) else "–"
    at_least = results.median(f"{figure.key}_at_least", name)
    shown = ("≥ " if at_least else "") + number(median, figure.digits)
    ratio = results.ratio(figure.key, name, base)
    if name == base or ratio is None or ratio < 0:
        return shown
    return f"{shown} ({ratio:.2f}×)"


def _range(results: Results, figure: Figure, name: str) -> str:
    found = results.spread(figure.key, name)
    return "" if found is None else " – ".join(number(value, figure.digits) for value in found)


def _markdown(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [head, ["---", *("--:" for _ in head[1:])], *rows]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)
