"""docs/operating.md: what it says of the environment is so."""

from __future__ import annotations

import re

from plugins.conversation_resolver import Config
from tests.docs.pages import ROOT


PAGE = (ROOT / "docs" / "operating.md").read_text()
VARIABLE = re.compile(r"\bLETTA_[A-Z_]+\b")


def test_variables():
    """The variables listed are those that the sources look at."""
    listed = set(re.findall(r"^\| `(LETTA_\w+)`", PAGE, re.MULTILINE))
    sources = "".join(path.read_text() for path in (ROOT / "gateway").rglob("*.py"))

    assert listed == set(VARIABLE.findall(sources))


def test_headers():
    """The headers that name a chat are the defaults."""
    assert all(f"`{header}`" in PAGE for header in Config().keys)
