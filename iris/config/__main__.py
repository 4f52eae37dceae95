"""Writes docs/config.md to standard output."""

from __future__ import annotations

import sys

from iris.config.reference import render_reference

sys.stdout.write(render_reference())
