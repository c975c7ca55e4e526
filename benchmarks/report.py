"""What a run is told as, and its place in RESULTS.md."""

from __future__ import annotations

import os
import platform
import subprocess
from datetime import UTC, datetime
from pathlib import Path

from benchmarks import table
from benchmarks.results import Results


PAGE = Path(__file__).with_name("RESULTS.md")
BEGIN, END = "<!-- written by make bench: begin -->", "<!-- written by make bench: end -->"
CPUINFO = Path("/proc/cpuinfo")

NEW_PAGE = f"""# Results

{BEGIN}
{END}
"""

READING = """Medians of interleaved rounds; in brackets the ratio to the aiohttp passthrough of
the same run. Compare within one run only: absolute figures move up to twofold between runs.
“lost”: answers were not whole, so there is no figure; “–”: not tried; “≥”: the load itself could
do no more. What each row is, and is not: `benchmarks/README.md`."""


def text(results: Results, base: str) -> str:
    """All of it, in Markdown."""
    spreads = table.spreads(results)
    parts = (
        machine(),
        table.table(results, base),
        READING,
        "Contenders:",
        table.contenders(results),
        spreads and f"Lowest and highest round:\n\n{spreads}",
    )
    return "\n\n".join(part for part in parts if part)


def machine() -> str:
    """When and on what."""
    day = datetime.now(UTC).date().isoformat()
    cores = f"{len(os.sched_getaffinity(0))} cores of {_processor()}"
    system = f"{platform.system()} {platform.release()}, Python {platform.python_version()}"
    return f"{day}, {_commit()}, {cores}, {system}."


def _processor() -> str:
    lines = CPUINFO.read_text(encoding="utf-8").splitlines()
    names = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(names, platform.machine())


def _commit() -> str:
    command = ["git", "-C", str(PAGE.parent), "describe", "--always", "--dirty"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return f"commit {done.stdout.strip()}" if done.returncode == 0 else "no commit"


def write(told: str, page: Path = PAGE) -> None:
    """Put it into the page, in place of the run before; what else stands there stays."""
    before = page.read_text(encoding="utf-8") if page.exists() else NEW_PAGE
    head, _, rest = before.partition(BEGIN)
    _, _, tail = rest.partition(END)
    page.write_text(f"{head}{BEGIN}\n{told}\n{END}{tail}", encoding="utf-8")
