"""The name that was probably meant, for messages about one that is not there."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


def near(name: str, names: Iterable[str]) -> str | None:
    """The name that was probably meant."""
    return next(iter(difflib.get_close_matches(name, list(names), n=1)), None)


def meant(name: str, names: Iterable[str]) -> str:
    """`did you mean "X"?`, or all the names if none is near."""
    known = sorted(names)
    if nearest := near(name, known):
        return f'did you mean "{nearest}"?'
    return f"there is {', '.join(known)}" if known else "there is none at all"
