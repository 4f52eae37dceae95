"""A cluster `mine` of the local provider, and one slice to ask it for."""

from __future__ import annotations

from iris.clock import RealClock
from iris.config import parse_config
from iris.providers import load_provider
from iris.providers.contract import SliceRequest

TEXT = """
name: mine
provider: {local: {}}
controller: {port: 0}
scale_groups:
  v5e: {accelerator: v5litepod-16}
"""
CONFIG = parse_config(TEXT)
(GROUP,) = CONFIG.groups()
REQUEST = SliceRequest("mine-1", "s-1", GROUP, "local", "http://x", tuple("abcd"))


def a_provider():
    return load_provider(CONFIG, "c-1", RealClock())


def phase_of(provider):
    return listed(provider).phase


def listed(provider):
    (only,) = provider.list_slices().slices
    return only
