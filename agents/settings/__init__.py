"""Settings of every process: defaults, a TOML file, then `FORESHOCK_*` variables; all problems at once."""

from __future__ import annotations

from agents.settings.load import load
from agents.settings.model import Settings
from agents.settings.problems import ConfigError, Problem
from agents.settings.sample import sample
from agents.settings.show import masked, masked_url

__all__ = ["ConfigError", "Problem", "Settings", "load", "masked", "masked_url", "sample"]
