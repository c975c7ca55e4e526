"""The configuration read anew while the gateway serves: at SIGHUP, or when the file changes.

New requests are answered as the new file says, running streams finish on what they began with
(`gateway.live`). A file with a mistake changes nothing. What is opened once for the process
needs a restart, and the log says so.
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self, TypeAlias

import attrs

from gateway.config import Config, load
from gateway.errors import ConfigError, GatewayError, Problem
from gateway.live import Live


if TYPE_CHECKING:
    from loguru import Logger

# How often a file is looked at that is watched.
LOOK_SECONDS = 0.5

# A plugin that takes longer to start is given up, and nothing changes.
OPENING_SECONDS = 60.0

# These belong to the process: all but the fields that are named behind them.
NEED_RESTART: Mapping[str, frozenset[str]] = {
    "server": frozenset({"allow_origins", "keepalive_seconds"}),
    "letta": frozenset({"cancel_on_disconnect"}),
    "store": frozenset(),
    "log": frozenset(),
    "record": frozenset(),
}

Stamp: TypeAlias = tuple[int, int, int] | None


@attrs.frozen
class Source:
    """
    Where the configuration comes from. `watched`: it is read anew when the file changes.

    `first` is its stamp before it is read for the first time: no change after that is missed.
    """

    file: Path | None
    environ: Mapping[str, str] = attrs.field(repr=False)
    flags: Mapping[str, object]
    watched: bool = False
    first: Stamp = attrs.field(init=False)

    @first.default
    def _first(self) -> Stamp:
        return self.stamp()

    def load(self) -> Config:
        """
        What it says now.

        Raises:
            ConfigError: With every mistake.
        """
        return load(self.file, environ=self.environ, overrides=self.flags)

    def stamp(self) -> Stamp:
        """What changes when the file does; None where there is nothing to watch, or no file."""
        if self.file is None or not self.watched:
            return None
        try:
            found = self.file.stat()
        except OSError:
            return None
        return found.st_mtime_ns, found.st_size, found.st_ino

    def checked(self, used: Config, logger: Logger) -> Config | None:
        """
        What it says now, if that may follow what is `used`; the log tells what is wrong.

        What needs a restart is as it was at the start, and the log names it. A file without
        keys does not follow one with keys: it may be half written, and the gateway may listen
        where everybody comes in.
        """
        if self.file is None:
            logger.warning("not reloaded: there is no file (--config)")
            return None
        problems: Sequence[Problem] = ()
        try:
            config = self.load()
        except ConfigError as exc:
            problems = exc.problems
        for problem in problems:
            logger.error("not reloaded: {}", problem)
        if problems:
            return None
        if used.keys and not config.keys:
            logger.error("not reloaded: {} has no keys any more; that needs a restart", self.file)
            return None
        for warning in config.warnings:
            logger.warning("{}", warning)
        for name in need_restart(used, config):
            logger.warning("{} has changed, which needs a restart", name)
        return reloadable(used, config)


@attrs.define
class Reloader:
    """Reloads in one process, while its block lasts; `used` is what is in use."""

    source: Source
    used: Config
    live: Live
    logger: Logger
    _one: asyncio.Lock = attrs.field(init=False, factory=asyncio.Lock)
    _tasks: set[asyncio.Task[None]] = attrs.field(init=False, factory=set)

    async def __aenter__(self) -> Self:
        if self.source.watched:
            self._begin(self._watch())
        return self

    async def __aexit__(self, *_: object) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def ask(self) -> None:
        """Reload soon."""
        self._begin(self.reload())

    async def reload(self) -> None:
        """Read the file and use it. Nothing is raised: whatever is wrong changes nothing."""
        async with self._one:
            # Reading it takes long enough for running streams to stand still.
            config = await asyncio.to_thread(self.source.checked, self.used, self.logger)
            if config is not None:
                await self._use(config)

    async def _watch(self) -> None:
        seen = stamp = self.source.first
        while True:
            await asyncio.sleep(LOOK_SECONDS)
            before, stamp = stamp, self.source.stamp()
            if stamp is not None and stamp == before and stamp != seen:  # nobody writes any more
                seen = stamp
                await self.reload()

    def _begin(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _use(self, config: Config) -> None:
        try:
            await self.live.use(config, within=OPENING_SECONDS)
        except Exception as exc:  # noqa: BLE001  a plugin's constructor may raise anything
            known = isinstance(exc, GatewayError)
            self.logger.opt(exception=None if known else exc).error("not reloaded: {}", exc)
        else:
            self.used = config
            self.logger.info("reloaded: new requests are answered as {} says", self.source.file)


def need_restart(before: Config, after: Config) -> Iterator[str]:
    """The settings that differ and are read once for the process."""
    for section, reloaded in NEED_RESTART.items():
        old, new = getattr(before, section), getattr(after, section)
        if type(old) is not type(new):
            yield section
            continue
        for field in attrs.fields(type(old)):
            changed = getattr(old, field.name) != getattr(new, field.name)
            if changed and field.name not in reloaded:
                yield f"{section}.{field.name}"


def reloadable(before: Config, after: Config) -> Config:
    """The second, with everything of the first that a reload does not change."""
    sections = {}
    for section, reloaded in NEED_RESTART.items():
        old, new = getattr(before, section), getattr(after, section)
        taken = {name: getattr(new, name) for name in reloaded}
        sections[section] = attrs.evolve(old, **taken)
    return attrs.evolve(after, **sections)
