from __future__ import annotations

import difflib

from tests.public_api import lines, written


def test_it_changes_on_purpose_only():
    """Whoever changes a name or a signature that authors rely on has to say so."""
    diff = list(difflib.unified_diff(written(), lines(), "as written down", "as it is", n=0))
    assert not diff, "\n".join(
        [
            "the public API is another:",
            *diff,
            "If that is meant: `python -m tests.public_api`, and a line in CHANGELOG.md.",
        ]
    )
