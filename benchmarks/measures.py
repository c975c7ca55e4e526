"""What a tree of processes takes: computing and memory, as Linux accounts for them."""

from __future__ import annotations

import os
import time
from collections.abc import Iterable, Sequence
from contextlib import suppress
from pathlib import Path


PROC = Path("/proc")

# The kernel's number for "computing time of a whole process", in the clock ids of processes.
PROCESS_CLOCK = 2


def tree(pid: int) -> list[int]:
    """This process and all below it."""
    found = [pid]
    for each in found:
        found += children(each)
    return found


def children(pid: int) -> list[int]:
    """The processes that any of its threads has started and that still run."""
    found: list[int] = []
    with suppress(FileNotFoundError, ProcessLookupError):
        for thread in (PROC / str(pid) / "task").iterdir():
            found += map(int, (thread / "children").read_text(encoding="ascii").split())
    return found


def cpu_seconds(pids: Iterable[int]) -> float:
    """Computing time so far, user's and system's, all threads; exact to the nanosecond."""
    return sum(_clock(pid) for pid in pids)


def _clock(pid: int) -> float:
    try:
        return time.clock_gettime((~pid << 3) | PROCESS_CLOCK)
    except OSError:  # it has ended
        return 0.0


def since_start(pid: int) -> float:
    """For how many seconds it runs; exact to the kernel's tick of 10 ms."""
    after_name = (PROC / str(pid) / "stat").read_text(encoding="ascii").rpartition(")")[2]
    ticks = int(after_name.split()[19])
    return time.clock_gettime(time.CLOCK_BOOTTIME) - ticks / os.sysconf("SC_CLK_TCK")


def memory_kib(pids: Iterable[int]) -> float:
    """Memory that is theirs: what several share is counted once, in parts."""
    return sum(_pss(pid) for pid in pids)


def _pss(pid: int) -> float:
    try:
        text = (PROC / str(pid) / "smaps_rollup").read_text(encoding="ascii")
    except (FileNotFoundError, ProcessLookupError):
        return 0.0
    return next(float(line.split()[1]) for line in text.splitlines() if line.startswith("Pss:"))


def pin(pids: Iterable[int], cores: Sequence[int]) -> None:
    """Let all threads of these processes, where they still run, run on these cores alone."""
    for pid in pids:
        with suppress(FileNotFoundError, ProcessLookupError):
            for thread in (PROC / str(pid) / "task").iterdir():
                os.sched_setaffinity(int(thread.name), cores)
