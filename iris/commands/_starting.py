"""What makes the program `iris` start sooner than Invoke by itself.

`import invoke` loads unittest.mock, and asyncio and ssl with it, for a class that only
tests use; and a YAML parser for files that hardly anybody has. Both come when they are
asked for. Of the import's time that is two fifths (docs/decisions/0014).
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib.machinery import ModuleSpec, PathFinder
from importlib.util import LazyLoader
from types import ModuleType
from typing import Any

_LATE = "invoke.vendor.yaml"


@contextmanager
def invoke_without_tests() -> Iterator[None]:
    """What is imported in here gets a `Mock` that makes a real one when called."""
    stand_ins = _stand_ins()
    sys.modules.update(stand_ins)
    sys.meta_path.insert(0, _Late)
    try:
        yield
    finally:
        sys.meta_path.remove(_Late)
        for name in stand_ins:
            del sys.modules[name]


class _Late:
    """Finds one module as Python does, and loads it at the first use."""

    @staticmethod
    def find_spec(
        name: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        spec = PathFinder.find_spec(name, path, target) if name == _LATE else None
        if spec is not None and spec.loader is not None:
            spec.loader = LazyLoader(spec.loader)
        return spec


def _stand_ins() -> dict[str, ModuleType]:
    names = ("unittest", "unittest.mock")
    found = {name: ModuleType(name) for name in names if name not in sys.modules}
    if "unittest.mock" in found:
        vars(found["unittest.mock"])["Mock"] = _mock
    return found


def _mock(*args: Any, **kwargs: Any) -> Any:
    from unittest.mock import Mock

    return Mock(*args, **kwargs)
