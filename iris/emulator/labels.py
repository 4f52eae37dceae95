"""Labels and metadata as Google takes them; anything else is refused with a 400."""

from __future__ import annotations

import re
from typing import Any

from iris.emulator.errors import Refusal

MOST_LABELS = 64
MOST_METADATA, MOST_VALUE = 512 * 1024, 256 * 1024  # bytes, of all and of one value
_LABEL = re.compile(r"[\w-]{0,63}")
_METADATA_KEY = re.compile(r"[A-Za-z0-9_-]{1,128}")
_FORMAT = (
    "can only contain lowercase letters, numeric characters, underscores and dashes, "
    "and can be at most 63 characters long"
)


def labels_from(value: Any) -> dict[str, str]:
    """The labels that a body has, none for nothing. Raises a 400."""
    labels = _map_of_words("labels", value)
    if len(labels) > MOST_LABELS:
        words = f"at most {MOST_LABELS} labels are allowed, got {len(labels)}"
        raise _invalid("labels", words)
    for key, word in labels.items():
        if not _is_label(key) or not key[:1].isalpha():
            raise _invalid("labels", f"label key '{key}' {_FORMAT}")
        if not _is_label(word):
            raise _invalid("labels", f"label value '{word}' {_FORMAT}")
    return labels


def metadata_from(value: Any) -> dict[str, str]:
    """The metadata that a body has as a plain map. Raises a 400."""
    metadata = _map_of_words("metadata", value)
    for key, word in metadata.items():
        if not _METADATA_KEY.fullmatch(key):
            raise _invalid("metadata", f"'{key}' is no key")
        if len(word.encode()) > MOST_VALUE:
            raise _invalid("metadata", f"'{key}' is larger than {MOST_VALUE} bytes")
    total = sum(len(key) + len(word.encode()) for key, word in metadata.items())
    if total > MOST_METADATA:
        words = f"all of it is {total} bytes, more than {MOST_METADATA}"
        raise _invalid("metadata", words)
    return metadata


def _map_of_words(field: str, value: Any) -> dict[str, str]:
    if value is None:
        return {}
    is_map = isinstance(value, dict)
    if not is_map or not all(isinstance(each, str) for each in value.values()):
        raise _invalid(field, "a map of strings is expected")
    return dict(value)


def _is_label(word: str) -> bool:
    return bool(_LABEL.fullmatch(word)) and word == word.lower()


def _invalid(field: str, words: str) -> Refusal:
    return Refusal("invalid", f"Invalid value for field '{field}': {words}.")
