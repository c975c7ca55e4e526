"""The rows of the table."""

from __future__ import annotations

import attrs


@attrs.frozen
class Figure:
    """One row."""

    key: str
    scene: str
    text: str
    digits: int = 1


FIGURES = (
    Figure("burst_us", "burst", "burst: CPU µs per chunk, marginal"),
    Figure("burst_rate", "burst", "burst: chunks/s, one process", 0),
    Figure("request_us", "burst", "CPU µs per streamed request, besides its chunks", 0),
    Figure("paced10_us", "paced10", "10 streams × 20 ms: CPU µs per chunk"),
    Figure("paced200_us", "paced200", "200 streams × 20 ms: CPU µs per chunk"),
    Figure("first_p50_ms", "first", "one client: added first token p50, ms", 2),
    Figure("first_p99_ms", "first", "one client: added first token p99, ms", 2),
    Figure("published_first_p50_ms", "published", "10 × 64 × 20 ms: added first token p50, ms", 2),
    Figure("published_first_p99_ms", "published", "10 × 64 × 20 ms: added first token p99, ms", 2),
    Figure("published_gap_p50_ms", "published", "10 × 64 × 20 ms: added gap p50, ms", 2),
    Figure("published_gap_p99_ms", "published", "10 × 64 × 20 ms: added gap p99, ms", 2),
    Figure("held", "held", "streams of 50 chunks/s held by one core", 0),
    Figure("many_gap_p50_ms", "500", "500 streams × 20 ms: gap p50, ms off", 2),
    Figure("many_gap_p99_ms", "500", "500 streams × 20 ms: gap p99, ms off", 2),
    Figure("crowd_first_p99_ms", "2000", "2000 streams × 200 ms: first token p99, ms"),
    Figure("crowd_gap_p99_ms", "2000", "2000 streams × 200 ms: gap p99, ms off"),
    Figure("stream_kib", "fresh", "KiB per open stream"),
    Figure("idle_mib", "fresh", "MiB without streams", 0),
    Figure("whole_rate", "whole", "not streaming, 64 at once: answers/s", 0),
    Figure("whole_us", "whole", "not streaming: CPU µs per answer", 0),
    Figure("start_s", "fresh", "start to first answer, s", 2),
)
