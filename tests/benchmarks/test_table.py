"""Results become a table that can be read."""

from __future__ import annotations

from benchmarks import table
from benchmarks.results import Results


def results() -> Results:
    found = Results({"raw": "the limit", "ours": "this"}, {"LiteLLM": "no network"})
    for chunk in (4.0, 5.0, 6.0):
        found.add("raw", {"burst_us": chunk, "held": 1100})
        found.add("ours", {"burst_us": chunk * 1.5, "held": 1500, "held_at_least": 1})
    found.lost["whole"] = {"ours": "3 of 64 answers: text is missing"}
    found.add("raw", {"whole_rate": 1234.5})
    return found


def test_table():
    """Beside each median stands its ratio; what was lost, or is not there, is no number."""
    assert table.table(results(), "raw").splitlines() == [
        "|  | raw | ours |",
        "| --- | --: | --: |",
        "| burst: CPU µs per chunk, marginal | 5.0 | 7.5 (1.50×) |",
        "| streams of 50 chunks/s held by one core | 1 100 | ≥ 1 500 (1.36×) |",
        "| not streaming, 64 at once: answers/s | 1 234 | lost |",
        "| not streaming: CPU µs per answer | – | lost |",
    ]


def test_spreads():
    """The lowest and the highest round, for what has several."""
    rows = table.spreads(results()).splitlines()

    assert "| burst: CPU µs per chunk, marginal | 4.0 – 6.0 | 6.0 – 9.0 |" in rows
    assert not [row for row in rows if "whole" in row or "not streaming" in row]


def test_contenders():
    """Who they are, who is not there and why, and what was lost."""
    assert table.contenders(results()).splitlines() == [
        "- **raw**: the limit",
        "- **ours**: this",
        "- **LiteLLM** is not in this run: no network",
        "- **ours** has no figure for “whole”: 3 of 64 answers: text is missing",
    ]


def test_number():
    """Thousands stand apart."""
    assert [table.number(1234567.8, 0), table.number(0.126, 2)] == ["1 234 568", "0.13"]
