"""The hot path in half a minute: the gateway against the raw passthrough, in turns.

    .venv/bin/python -m benchmarks.hot [--rounds 2] [--only burst,paced10,paced200,first,whole]

For whoever changes something: it measures and writes nothing. Compare within one run only.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence

from benchmarks.contenders.ours import Ours
from benchmarks.contenders.raw import Raw
from benchmarks.figures import FIGURES
from benchmarks.results import Results
from benchmarks.run import ONCE, ROUNDS, Plan, run_or_exit
from benchmarks.table import number


SCENES = ("burst", "paced10", "paced200", "first", "whole")


def lines(results: Results, base: str, other: str) -> Sequence[str]:
    """One a figure: both medians with their spreads, and the ratio."""
    found = []
    for figure in FIGURES:
        cells = [_shown(results, figure.key, name, figure.digits) for name in (base, other)]
        ratio = results.ratio(figure.key, other, base)
        if ratio is not None:
            found.append(f"{figure.text:48} {cells[0]:>26} {cells[1]:>26}  {ratio:6.2f} x")
    return found


def _shown(results: Results, figure: str, name: str, digits: int) -> str:
    median, spread = results.median(figure, name), results.spread(figure, name)
    if median is None:
        return "–"
    text = number(median, digits)
    return f"{text} ({'–'.join(number(each, digits) for each in spread)})" if spread else text


def main() -> None:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--only", default=",".join(SCENES), help=", ".join([*ROUNDS, *ONCE]))
    told = parser.parse_args()
    chosen = told.only.split(",")
    if unknown := {*chosen} - {*ROUNDS, *ONCE, "fresh"}:
        parser.error(f"there is no scene {', '.join(sorted(unknown))}")
    each_round = [scene for scene in chosen if scene in ROUNDS]
    once = [scene for scene in chosen if scene in ONCE]
    plan = Plan(told.rounds, int("fresh" in chosen), each_round, once)
    results = run_or_exit([Raw(), Ours()], plan)
    print("\n".join(lines(results, Raw().name, Ours().name)))


if __name__ == "__main__":
    main()
