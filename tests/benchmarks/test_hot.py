"""The short tool compares two contenders line by line."""

from __future__ import annotations

from benchmarks.hot import lines
from benchmarks.results import Results


def test_lines():
    """Both medians with their spreads, and the ratio; what only one has is left out."""
    results = Results()
    for chunk in (4.0, 6.0):
        results.add("raw", {"burst_us": chunk})
        results.add("ours", {"burst_us": chunk * 2})
    results.add("ours", {"start_s": 1.0})

    (line,) = lines(results, "raw", "ours")

    words = "burst: CPU µs per chunk, marginal 5.0 (4.0–6.0) 10.0 (8.0–12.0) 2.00 x"
    assert " ".join(line.split()) == words
