"""Files that are wrong, each with what `check-config` says of it: `*.case`, to be read.

The first line says what the case is about. `schema:` says what an editor with the JSON schema
makes of it: it `refuses` the file, `accepts` it (it cannot know better), or it is `no YAML`
that other programs read. What follows are the environment, the file, and what is told.
"""

from __future__ import annotations

import re
from pathlib import Path

import attrs


FOLDER = Path(__file__).parent
HEADING = re.compile(r"^=== (.+)\n", re.MULTILINE)

# Bytes that a text file had better not have.
ESCAPED = ", with \\x.. for bytes"
BYTE = re.compile(rb"\\x([0-9a-f]{2})")


@attrs.frozen
class Case:
    """One file, and what is told of it."""

    name: str
    about: str
    schema: str
    environ: dict[str, str]
    text: bytes
    told: str


def cases() -> list[Case]:
    """All of them."""
    return [_read(path) for path in sorted(FOLDER.glob("*.case"))]


def _byte(match: re.Match[bytes]) -> bytes:
    return bytes.fromhex(match[1].decode())


def _read(path: Path) -> Case:
    head, *rest = HEADING.split(path.read_text(encoding="utf-8"))
    parts = dict(zip(rest[::2], rest[1::2], strict=True))
    about, _, schema = head.strip().partition("\nschema: ")
    environ = dict(line.split("=", 1) for line in parts.get("environment", "").split())
    text = parts.get("gateway.yaml")
    raw = parts[f"gateway.yaml{ESCAPED}"] if text is None else text
    raw = raw.removesuffix("\n")  # the blank line in front of the next heading
    bare = BYTE.sub(_byte, raw.encode()) if text is None else raw.encode()
    return Case(path.stem, about, schema, environ, bare, parts["told"])
