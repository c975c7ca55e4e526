from __future__ import annotations

import attrs
import pytest

from gateway.config import settings
from gateway.config.describe import settings_of
from gateway.config.settings import (
    Key,
    LettaSettings,
    RecordSettings,
    RedisSettings,
    ServerSettings,
)
from gateway.config.strict import structure


CLASSES = [
    one for one in vars(settings).values() if attrs.has(one) and one.__module__ == settings.__name__
]


REDIS_URL = (
    "must be the whole address, redis://user:password@host:6379/0, rediss://… for TLS or"
    " unix:///path; in a password, /, ?, # and @ are written %2F, %3F, %23 and %40"
)


@pytest.mark.parametrize("config_class", CLASSES)
def test_help(config_class):
    """Every setting says what it is."""
    assert all(setting.help for setting in settings_of(config_class))


@pytest.mark.parametrize(
    ("config_class", "name", "value", "expected"),
    [
        (ServerSettings, "host", "", "must be some text in one line"),
        (ServerSettings, "port", 65536, "must be <= 65535: 65536"),
        (ServerSettings, "port", -1, "must be >= 0: -1"),
        (ServerSettings, "workers", 0, "must be >= 1: 0"),
        (ServerSettings, "body_limit_mb", 0, "must be >= 1: 0"),
        (ServerSettings, "keepalive_seconds", 0, "must be > 0: 0.0"),
        (ServerSettings, "idempotency_minutes", 0, "must be >= 1: 0.0"),
        (ServerSettings, "response_days", 0, "must be > 0: 0.0"),
        (ServerSettings, "resume_grace_seconds", -1, "must be >= 0: -1.0"),
        (
            ServerSettings,
            "allow_origins",
            ["https://a.example/"],
            "must be origins, as browsers send them: https://chat.example, no path",
        ),
        (
            LettaSettings,
            "base_url",
            "letta:8283",
            "must be the whole address, http://… or https://…",
        ),
        *(
            (LettaSettings, "base_url", url, "must be the whole address, http://… or https://…")
            for url in (
                "http://",
                "http://letta.example:port",
                "http://user:s3/cret@letta.example",
                "http://letta .example",
                "http://[letta",
            )
        ),
        (
            LettaSettings,
            "api_key",
            "two words",
            "must be plain ASCII in one line, without spaces",
        ),
        (LettaSettings, "api_key", "line\n", "must be plain ASCII in one line, without spaces"),
        (LettaSettings, "connect_seconds", 0, "must be > 0: 0.0"),
        (
            LettaSettings,
            "read_seconds",
            20,
            "must be more than 20: Letta may say nothing for 20 seconds",
        ),
        (LettaSettings, "max_connections", 0, "must be >= 1: 0"),
        (RecordSettings, "files", 0, "must be >= 1: 0"),
        (RecordSettings, "megabytes", 0, "must be >= 1: 0"),
        *(
            (RedisSettings, "url", url, REDIS_URL)
            for url in (
                "",
                "redis.example",
                "http://redis.example",
                "redis://",
                "redis://redis.example:port",
                "redis://user:s3/cret@redis.example",
                "redis://user:1?2@redis.example",
                "redis://user:1#2@redis.example",
                "redis://user:s3 cret@redis.example",
                "unix://?db=2",
            )
        ),
        (Key, "name", " ", "must be some text in one line"),
        (Key, "key", "", "must be some text in one line"),
        (Key, "key", "Schlüssel", "must be plain ASCII in one line, without spaces"),
    ],
)
def test_refused(config_class, name, value, expected):
    """A value that cannot work is refused, and the reason says what would."""
    mistakes = structure({name: value}, config_class).mistakes

    assert [one.what for one in mistakes if one.at == (name,)] == [expected]


@pytest.mark.parametrize(
    "origin", ["https://chat.example", "http://localhost:3000", "app://obsidian.md"]
)
def test_origins(origin):
    """Origins are what browsers send, those of apps too."""
    assert structure({"allow_origins": [origin]}, ServerSettings).mistakes == ()


@pytest.mark.parametrize(
    "url",
    [
        "redis://localhost",
        "rediss://user:s3cret@redis.example:6380/3?ssl_cert_reqs=none",
        "redis://:p%2Fw%40@[::1]:6379/0",
        "unix:///run/redis.sock?db=2",
        "unix://user:s3cret@/run/redis.sock",
    ],
)
def test_redis(url):
    """A Redis is reached by TCP, TLS or a socket, with or without a password."""
    assert structure({"url": url}, RedisSettings).mistakes == ()


@pytest.mark.parametrize(
    "shown",
    [
        LettaSettings(api_key="s3cret"),
        RedisSettings(url="redis://:s3cret@redis.example"),
        Key("a", "s3cret"),
    ],
)
def test_repr(shown):
    """Keys are not shown."""
    assert "s3cret" not in repr(shown)
