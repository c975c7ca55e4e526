"""Rows for people: columns that line up, folded for a terminal and whole in a pipe."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping, Sequence
from typing import Any


GAP = "  "

# A last column that would be narrower than this may be wider than the terminal instead.
NARROWEST = 24


def table(rows: Sequence[Mapping[str, Any]], width: int | None) -> list[str]:
    """A header and a line for each row. The last column is folded at `width`, if there is one."""
    if not rows:
        return []
    cells = [list(rows[0]), *([str(value) for value in row.values()] for row in rows)]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)][:-1]
    start = sum(widths) + len(GAP) * len(widths)
    room = width and max(width - start, NARROWEST)
    lines = []
    for *first, last in cells:
        aligned = [cell.ljust(size) for cell, size in zip(first, widths, strict=True)]
        folds = folded(last, room) or [""]
        lines.append(GAP.join([*aligned, folds[0]]).rstrip())
        lines += [" " * start + fold for fold in folds[1:]]
    return lines


def folded(text: str, width: int | None, indent: str = "", hanging: str = "") -> list[str]:
    """A text in lines of `width`, if there is one; no word is cut."""
    if width is None:
        return [indent + text]
    return textwrap.wrap(
        text,
        width,
        initial_indent=indent,
        subsequent_indent=indent + hanging,
        break_long_words=False,
        break_on_hyphens=False,
    )
