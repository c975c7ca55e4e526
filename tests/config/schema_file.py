"""The schema that is shipped: it knows the plugins that come with the gateway.

python -m tests.config.schema_file    writes it anew
"""

from __future__ import annotations

from pathlib import Path

from gateway.config.schema import written
from gateway.registry import OWN, installed


FILE = Path(__file__).parents[2] / "config" / "gateway.schema.json"


def current() -> str:
    """As the classes have it."""
    return written(one for one in installed() if one.origin.startswith(f"{OWN} "))


if __name__ == "__main__":
    FILE.write_text(current(), encoding="utf-8")
