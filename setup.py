"""Puts examples/ and bootstrap/ inside the wheel; all else stands in setup.cfg."""

from __future__ import annotations

from pathlib import Path

from setuptools import setup
from setuptools.command.build_py import build_py

SHIPPED = ("examples", "bootstrap")  # found again by iris/paths.py
LEFT_OUT = {"__pycache__"}


class BuildWithShipped(build_py):
    """Copies the shipped folders to iris/shipped, save in an editable install."""

    def run(self) -> None:
        """Build as ever, then add what is shipped."""
        super().run()
        if self.editable_mode:
            return
        for source in _shipped_files():
            target = Path(self.build_lib, "iris", "shipped", source)
            self.mkpath(str(target.parent))
            self.copy_file(str(source), str(target))


def _shipped_files() -> list[Path]:
    found = [path for folder in SHIPPED for path in sorted(Path(folder).rglob("*"))]
    return [p for p in found if p.is_file() and not LEFT_OUT & set(p.parts)]


setup(cmdclass={"build_py": BuildWithShipped})
