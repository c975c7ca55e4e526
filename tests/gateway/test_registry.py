from __future__ import annotations

import sys

import pytest

from gateway import registry
from gateway.errors import StartError
from gateway.registry import Broken, Found
from tests.gateway import sample_plugins
from tests.gateway.packages import install
from tests.gateway.sample_plugins import HERE


INSTALLED = "is its package installed here? (if that was while the gateway ran, restart it)"

SOURCE = """
from gateway.plugin import Plugin

class Redactor(Plugin):
    class Inner(Plugin):
        pass

thing = 3
"""


@pytest.fixture(name="site")
def _site(tmp_path, monkeypatch):
    """A folder from which packages can be imported while the test lasts."""
    monkeypatch.syspath_prepend(tmp_path)
    before = set(sys.modules)
    yield tmp_path
    for name in set(sys.modules) - before:
        del sys.modules[name]


def refusal(use):
    with pytest.raises(StartError) as caught:
        registry.find(use)
    return str(caught.value)


class TestFind:
    def test_name(self, site):
        """A plugin is found by its name, and says which package it came from."""
        install(site, "acme-redact", "1.2", "acme_a", SOURCE, acme_redact="acme_a:Redactor")

        found = registry.find("acme_redact")

        assert found.plugin_class.__name__ == "Redactor"
        assert (found.name, found.origin) == ("acme_redact", "acme-redact 1.2")

    def test_path(self):
        """A plugin without an entry point is found by its path, and says which file it is in."""
        found = registry.find(f"{HERE}:Loud")

        assert (
            Found(sample_plugins.Loud, f"{HERE}:Loud", f"{HERE} ({sample_plugins.__file__})")
            == found
        )

    def test_nested_path(self, site):
        """The class may stand within another."""
        install(site, "acme", "1", "acme_b", SOURCE)

        assert registry.find("acme_b:Redactor.Inner").plugin_class.__name__ == "Inner"

    def test_path_of_a_name(self, site):
        """A path that has a name is that plugin, so that `needs` knows it."""
        install(site, "acme", "1.2", "acme_c", SOURCE, acme_redact="acme_c:Redactor")

        assert registry.find("acme_redact") == registry.find("acme_c:Redactor")

    def test_nothing_else_is_imported(self, site):
        """What is installed and not asked for is not imported."""
        install(site, "acme", "1", "acme_d", SOURCE, acme_d="acme_d:Redactor")
        install(site, "other", "1", "acme_bad", "raise SystemExit('no')", bad="acme_bad:X")

        registry.find("acme_d")

        assert "acme_bad" not in sys.modules


class TestRefusals:
    def test_unknown_name(self):
        """An unknown name is told with the nearest right one."""
        assert (
            refusal("agent_resolvr")
            == 'there is no plugin "agent_resolvr"; did you mean "agent_resolver"?'
        )

    def test_path_without_class(self):
        """A path that names no class says what a path is."""
        assert refusal(HERE).startswith(
            f'there is no plugin "{HERE}" (a path is package.module:Class); there are '
        )

    def test_two_packages(self, site):
        """A name that two packages offer is nobody's; their paths still work."""
        install(site, "acme", "1", "acme_e", SOURCE, twice="acme_e:Redactor")
        install(site, "other", "2", "other_e", SOURCE, twice="other_e:Redactor")

        text = refusal("twice")

        assert "acme 1 (acme_e:Redactor)" in text
        assert "other 2 (other_e:Redactor)" in text
        assert "both offer it" in text

    def test_a_built_in_keeps_its_name(self, site):
        """What is installed beside cannot take a built-in plugin's name."""
        install(site, "acme", "1", "acme_f", SOURCE, agent_resolver="acme_f:Redactor")

        assert registry.find("agent_resolver").origin.startswith("letta-gateway ")

    @pytest.mark.parametrize(
        ("use", "expected"),
        [
            ("acme_none:X", f"there is no module acme_none; {INSTALLED}"),
            ("gateway.none:X", f"there is no module gateway.none; {INSTALLED}"),
            (f"{HERE}:Lout", f'{HERE} has no Lout; did you mean "Loud"?'),
            (f"{HERE}:", f"{HERE} has no ; there are Failing, First, Leaving, Loud, Quiet, Unread"),
            (f"{HERE}:NoPlugin", f"{HERE}:NoPlugin is not a subclass of gateway.plugin.Plugin"),
            (f"{HERE}:HERE", f"{HERE}:HERE is not a subclass of gateway.plugin.Plugin"),
            ("json:X", "json has no X; there is none at all"),
        ],
    )
    def test_paths(self, use, expected):
        """A path that leads nowhere, or to no plugin, says where it ended."""
        assert refusal(use) == expected

    @pytest.mark.parametrize("use", [":X", ".x:X", "a b:X", "..:X", ":"])
    def test_no_paths(self, use):
        """What is not even a path is refused, not raised."""
        assert refusal(use)

    @pytest.mark.parametrize(
        ("source", "expected"),
        [
            ("x = 1\nraise RuntimeError('no\\nluck')", "RuntimeError: no luck"),
            ("import acme_missing", "ModuleNotFoundError: No module named 'acme_missing'"),
            ("raise SystemExit(3)", "SystemExit: 3"),
            ("def broken(:", "SyntaxError: invalid syntax"),
        ],
    )
    def test_broken_module(self, site, source, expected):
        """A module that cannot be imported says why, on one line."""
        install(site, "acme", "1", "acme_f", source)

        text = refusal("acme_f:X")

        assert text.startswith(f"acme_f cannot be imported: {expected}")
        assert "\n" not in text

    def test_line_of_the_plugin(self, site):
        """The reason names the line at fault."""
        install(site, "acme", "1", "acme_g", "x = 1\nraise RuntimeError('no')")

        assert refusal("acme_g:X").endswith(f"({site / 'acme_g.py'}, line 2)")

    def test_line_that_is_no_python(self, site):
        """It is named once."""
        install(site, "acme", "1", "acme_i", "x = 1\ndef broken(:")

        text = "acme_i cannot be imported: SyntaxError: invalid syntax"
        assert refusal("acme_i:X") == f"{text} ({site / 'acme_i.py'}, line 2)"


def test_names():
    """The names of what is installed include the built-in plugins."""
    assert {"agent_resolver", "conversation_resolver"} <= set(registry.names())


def test_installed(site):
    """All that is installed is listed; what does not work says why."""
    install(site, "acme", "1.2", "acme_h", SOURCE, acme_redact="acme_h:Redactor")
    install(site, "other", "2", "other_h", "import acme_missing", other="other_h:X")
    install(site, "third", "3", "third_h", SOURCE, third="third_h:thing")

    found = {one.name: one for one in registry.installed()}

    assert "acme-redact" not in found
    assert found["acme_redact"].origin == "acme 1.2"
    assert isinstance(found["other"], Broken)
    assert "No module named 'acme_missing'" in found["other"].reason
    assert found["third"] == Broken(
        "third", "third 3", "third_h:thing is not a subclass of gateway.plugin.Plugin"
    )


class TestConstruct:
    def test_construct(self):
        """A plugin is made with its settings."""
        settings = sample_plugins.LoudConfig(times=3)

        plugin = registry.find(f"{HERE}:Loud").construct(settings)

        assert plugin.config is settings

    def test_failing(self):
        """A constructor that raises is told with its reason and its line."""
        with pytest.raises(StartError, match=r"Failing cannot be made: RuntimeError: no luck \(.*"):
            registry.find(f"{HERE}:Failing").construct(None)

    def test_leaving(self):
        """Nor can it end the process."""
        with pytest.raises(StartError, match="Leaving cannot be made: SystemExit: 3"):
            registry.find(f"{HERE}:Leaving").construct(None)
