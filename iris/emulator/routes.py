"""Routes whose functions may bear the same short name in different places."""

from __future__ import annotations

import itertools
from typing import Any

from flask import Blueprint

_NUMBERS = itertools.count(1)


class Routes(Blueprint):
    """A blueprint that numbers its endpoints."""

    def add_url_rule(
        self,
        rule: str,
        endpoint: str | None = None,
        view_func: Any = None,
        *words: Any,
        **options: Any,
    ) -> None:
        """As Flask does it, under a name that no other function has."""
        name = endpoint or f"{view_func.__name__}-{next(_NUMBERS)}"
        super().add_url_rule(rule, name, view_func, *words, **options)
