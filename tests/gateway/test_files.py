"""How many files may be open."""

from __future__ import annotations

import resource
from collections.abc import Iterator
from contextlib import contextmanager

import loguru
import pytest

from gateway.files import allow_files
from tests.gateway.lane import logged


@contextmanager
def most_files(number: int) -> Iterator[None]:
    """No further files beyond this number; those that are open stay open."""
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (number, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, before)


@pytest.fixture(name="log")
def _log() -> Iterator[list[str]]:
    with logged() as lines:
        yield lines


def test_as_many_as_wanted() -> None:
    """A low limit is raised, a higher one stays as it is."""
    with most_files(256):
        allow_files(300, loguru.logger)
        assert resource.getrlimit(resource.RLIMIT_NOFILE)[0] == 300
        allow_files(200, loguru.logger)
        assert resource.getrlimit(resource.RLIMIT_NOFILE)[0] == 300


def test_more_than_there_may_be(log: list[str]) -> None:
    """As many as there may be are allowed, and the log says that they are too few."""
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    with most_files(256):
        allow_files(hard + 1, loguru.logger)
        assert resource.getrlimit(resource.RLIMIT_NOFILE)[0] == hard
    assert f"only {hard} files" in log[0]
