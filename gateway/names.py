"""The name that was probably meant, for messages about one that is not there."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


def near(name: str, names: Iterable[str]) -> str | None:
    """The name that was probably meant; upper and lower case make the least difference."""
    folded = {each.casefold(): each for each in names}
    close = difflib.get_close_matches(name.casefold(), folded, n=1)
    return folded[close[0]] if close else None


def meant(name: str, names: Iterable[str]) -> str:
    """`did you mean "X"?`, or all the names if none is near."""
    known = sorted(set(names))
    if nearest := near(name, known):
        return f'did you mean "{nearest}"?'
    if not known:
        return "there is none at all"
    return f"there {'are' if len(known) > 1 else 'is'} {', '.join(known)}"
