"""Logs in memory: how they stay small."""

from __future__ import annotations

from gateway.store.logs import Logs


def test_the_expired_go_as_others_come():
    """A process that writes for ever holds a few times the logs that are alive."""
    time = 0.0
    logs = Logs(lambda: time)
    most = 0
    for number in range(5000):
        time = float(number)
        logs.append(f"log{number}", [b"item"], ttl=100, limit=1000)
        most = max(most, len(logs._logs))
    assert most <= 400


def test_a_log_lives_from_its_last_item():
    """Each addition, of nothing too, lengthens its life; then all of it is gone at once."""
    time = 0.0
    logs = Logs(lambda: time)
    logs.append("log", [b"a"], ttl=10, limit=1000)
    for moment, items in ((9.0, [b"b"]), (18.0, [])):
        time = moment
        logs.append("log", items, ttl=10, limit=1000)
    time = 27.9
    assert logs.since("log", 0) == [(1, b"a"), (2, b"b")]
    time = 28.0
    assert logs.since("log", 0) == []
    logs.append("log", [b"c"], ttl=10, limit=1000)
    assert logs.since("log", 0) == [(1, b"c")]
