"""The documents, read for what can be tested in them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import attrs


ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
PAGES = [ROOT / "README.md", ROOT / "CHANGELOG.md", *sorted(DOCS.rglob("*.md"))]

FENCED = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
INLINE = re.compile(r"`([^`\n]+)`")
FILE = re.compile(r"# (\S+\.(?:py|toml))\n")


@attrs.frozen
class Block:
    """A fenced block, and where it begins."""

    page: str
    line: int
    language: str
    text: str

    def __str__(self) -> str:
        return f"{self.page}:{self.line}"

    @property
    def file(self) -> str | None:
        """The file that its first line says it is."""
        named = FILE.match(self.text)
        return named[1] if named else None


def name_of(path: Path) -> str:
    """A page's name: those of docs/clients have their folder in it."""
    return str(path.relative_to(DOCS if path.is_relative_to(DOCS) else ROOT))


def blocks(*languages: str, page: str | None = None) -> list[Block]:
    """All blocks in these languages, of one page or of all."""
    return [
        block
        for path in PAGES
        if page is None or name_of(path) == page
        for block in _blocks(path)
        if block.language in languages
    ]


def _blocks(path: Path) -> Iterator[Block]:
    text = path.read_text(encoding="utf-8")
    for found in FENCED.finditer(text):
        yield Block(name_of(path), text.count("\n", 0, found.start()) + 2, found[1], found[2])


def prose(path: Path) -> str:
    """A page without its blocks."""
    return FENCED.sub("", path.read_text(encoding="utf-8"))


def spans(path: Path) -> list[str]:
    """The pieces of code in a page's sentences and tables."""
    return INLINE.findall(prose(path))


def commands(block: Block) -> list[str]:
    """The commands of a shell block: one a line, comments taken off."""
    lines = block.text.replace("\\\n", " ").splitlines()
    return [line.split("  #")[0].strip() for line in lines if line.strip()]
