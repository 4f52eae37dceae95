"""Pages of a list: a size, a token, in the order that the API keeps."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Sequence
from typing import TypeVar

from iris.emulator.errors import Refusal

T = TypeVar("T")


def page_of(items: Sequence[T], size: int, token: str) -> tuple[Sequence[T], str]:
    """One page from the place that the token names, and the next token."""
    start = _place(token)
    end = start + size
    following = base64.urlsafe_b64encode(f"at:{end}".encode()).decode()
    return items[start:end], following if end < len(items) else ""


def size_from(words: str, usual: int, most: int) -> int:
    """The page size that a query asks for, 0 and nothing being the usual one."""
    try:
        size = int(words or 0)
    except ValueError:
        raise Refusal("invalid", f"Invalid value for page size: '{words}'") from None
    if not 0 <= size <= most:
        raise Refusal("invalid", f"Invalid value for page size: '{words}'")
    return size or usual


def _place(token: str) -> int:
    if not token:
        return 0
    try:
        return int(base64.urlsafe_b64decode(token).decode().removeprefix("at:"))
    except (binascii.Error, ValueError, UnicodeDecodeError):
        raise Refusal("invalid", "Invalid value for page token") from None
