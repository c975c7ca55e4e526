"""What all documents have in common: links, commands, files and settings that exist."""

from __future__ import annotations

import re
import shlex
from itertools import chain

import attrs
import click
import pytest

from gateway import config
from gateway.cli import main
from gateway.config.describe import settings_of
from gateway.config.settings import STORES, File, Key
from gateway.config.steps import BUILT_IN, Entry
from gateway.registry import find
from tests.docs.pages import PAGES, ROOT, blocks, commands, name_of, prose, spans


LINK = re.compile(r"\]\(([^)\s]+)\)")
HEADING = re.compile(r"^#+ (.+)$", re.MULTILINE)
VARIABLE = re.compile(r"\$\{(\w+)\}")
SETTING = re.compile(r"([a-z_]+(?:\.[a-z_]+)*)(: .+)?")

all_pages = pytest.mark.parametrize("page", PAGES, ids=name_of)


@all_pages
def test_links_lead_somewhere(page):
    """Every relative link names a file, and every fragment a heading in it."""
    for link in LINK.findall(prose(page)):
        if link.startswith("https://"):
            continue
        path, _, fragment = link.partition("#")
        target = page.parent / path if path else page
        assert target.exists(), link
        if fragment:
            assert fragment in map(anchor, HEADING.findall(target.read_text())), link


def anchor(heading: str) -> str:
    """The fragment by which a heading is known."""
    return re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-")


@all_pages
def test_commands_are_understood(page):
    """Every `letta-gateway …` is a command with options that it has."""
    shown = [*chain.from_iterable(map(commands, blocks("sh", page=name_of(page)))), *spans(page)]
    for text in shown:
        words = shlex.split(text) if "letta-gateway" in text else []
        program = next((i for i, word in enumerate(words) if is_program(word)), None)
        if program is not None and words[program + 1 :]:
            name, command, rest = main.resolve_command(
                click.Context(main), list(words[program + 1 :])
            )
            command.make_context(name, rest)


def is_program(word: str) -> bool:
    return word.rpartition("/")[2] == "letta-gateway"


@all_pages
def test_make_has_the_targets(page):
    """Every `make …` is a target of the Makefile."""
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    for block in blocks("sh", page=name_of(page)):
        for text in commands(block):
            if found := re.search(r"\bmake (\w+)", text):
                assert found[1] in targets, text


@pytest.mark.parametrize("block", blocks("yaml"), ids=str)
@pytest.mark.usefixtures("acme")
def test_yaml_is_a_configuration(block, tmp_path):
    """Every YAML block is a file that `check-config` has nothing to say against."""
    path = tmp_path / "gateway.yaml"
    path.write_text(block.text)

    config.load(path, environ=dict.fromkeys(VARIABLE.findall(block.text), "some-text"))


@all_pages
def test_settings_exist(page):
    """Every `section.key`, and every `key: value`, is a setting of the gateway or of a plugin."""
    for text in spans(page):
        found = SETTING.fullmatch(text)
        if not found or not (found[2] or found[1].split(".")[0] in sections()):
            continue
        assert found[1] in known(), text


def sections() -> set[str]:
    return {"server", "letta", "store", "log", "record"}


def known() -> set[str]:
    """All names of settings: those of sections with their section, those of plugins alone."""
    names = {setting.name for setting in settings_of(File)}
    for kind in (Entry, Key, *(find(use).plugin_class.config_class() for use in BUILT_IN)):
        names |= {setting.name for setting in settings_of(kind)}
    for field in attrs.fields(attrs.resolve_types(File)):
        if attrs.has(field.type):
            names |= {f"{field.name}.{setting.name}" for setting in settings_of(field.type)}
    for kind in STORES.values():
        names |= {f"store.{setting.name}" for setting in settings_of(kind)}
    return names


@all_pages
def test_files_exist(page):
    """Every file of the project that a page names is there."""
    for text in [*spans(page), *re.findall(r"\b[\w/]+\.py\b", "".join(_pictures(page)))]:
        if re.fullmatch(r"(gateway|plugins|config|docs)/[\w/.-]*", text):
            assert (ROOT / text).exists(), text
        elif re.fullmatch(r"\w+\.py", text):
            assert [*ROOT.glob(f"gateway/**/{text}"), *ROOT.glob(f"plugins/{text}")], text


def _pictures(page):
    return [block.text for block in blocks("", page=name_of(page))]
