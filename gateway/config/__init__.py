"""From a YAML file to settings: strict, and every problem with its place.

file → yamlnodes → yamlfile → strict → settings, steps → loading
"""

from __future__ import annotations

from gateway.config.loading import Config, load


__all__ = ["Config", "load"]
