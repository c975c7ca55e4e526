"""A run is told in RESULTS.md, and leaves alone what else stands there."""

from __future__ import annotations

from benchmarks import report
from benchmarks.results import Results


def results() -> Results:
    found = Results({"raw": "the limit"})
    found.add("raw", {"burst_us": 5.0})
    return found


def test_text():
    """The machine, the table, how to read it, and who took part."""
    text = report.text(results(), "raw")

    assert "cores of" in text.splitlines()[0]
    assert "| burst: CPU µs per chunk, marginal | 5.0 |" in text
    assert "- **raw**: the limit" in text


def test_new_page(tmp_path):
    """Without a page one is begun."""
    page = tmp_path / "RESULTS.md"

    report.write("the table", page)

    assert page.read_text(encoding="utf-8").startswith("# Results\n")
    assert "\nthe table\n" in page.read_text(encoding="utf-8")


def test_next_run(tmp_path):
    """The next run takes the place of the one before; what people wrote stays."""
    page = tmp_path / "RESULTS.md"
    report.write("the first", page)
    page.write_text(f"{page.read_text(encoding='utf-8')}\n## Steps\n", encoding="utf-8")

    report.write("the second", page)

    text = page.read_text(encoding="utf-8")
    assert "the second" in text
    assert "the first" not in text
    assert text.endswith("\n## Steps\n")
