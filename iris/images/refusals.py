"""What a container engine's words mean, as errors with the way out."""

from __future__ import annotations

import re

from iris.errors import (
    EngineFailed,
    IrisError,
    NoEngine,
    NotFound,
    NotPermitted,
    Unavailable,
)

_FULL = "Free some: `docker system df` shows what lies there, `docker system prune`."
_DENIED = (
    "Log in: `gcloud auth application-default login`, or `docker login REGISTRY`; the "
    "account needs the right to write there (Artifact Registry Writer)."
)
_MISSING = "Is the name right? A repository must exist before an image is pushed to it."
_PASSING = "Try again; what was sent already is not sent twice."
_DAMAGED = "Try again. Where it stays so, what is there is damaged: push it anew."
_FILLED = r"no space left on device|disk quota exceeded"
_RULES: tuple[tuple[str, type[IrisError], str], ...] = (
    (_FILLED, EngineFailed, _FULL),
    (r"verification failed", Unavailable, _DAMAGED),
    (
        r"cannot connect to the docker daemon|error during connect|docker\.sock",
        NoEngine,
        "Start it: `systemctl start docker`; `docker info` says how it stands.",
    ),
    (
        r"denied|unauthorized|authentication required|no basic auth|forbidden"
        r"|\b40[13]\b",
        NotPermitted,
        _DENIED,
    ),
    (
        r"too ?many ?requests|\b429\b|\b50[0234]\b|timed? ?out|timeout|connection re"
        r"|unexpected eof|\beof\b|broken pipe|no such host|temporary failure"
        r"|network is unreachable|no route to host",
        Unavailable,
        _PASSING,
    ),
    (
        r"not found|no such (?:image|manifest)|manifest unknown|name unknown"
        r"|does not exist|unable to find image",
        NotFound,
        _MISSING,
    ),
)


def refusal(about: str, words: str) -> IrisError:
    """The error that an engine's last line stands for; it keeps the words."""
    said = words.removeprefix("docker: ")
    said = said.removeprefix("Error response from daemon: ").strip()
    for pattern, kind, hint in _RULES:
        if re.search(pattern, words, re.IGNORECASE):
            return kind(f"{about}: {said}", hint=hint)
    return EngineFailed(f"{about}: {said}", hint="`docker info` says how it stands.")


def says_disk_is_full(words: str) -> bool:
    """Would it have gone well with more room?"""
    return re.search(_FILLED, words, re.IGNORECASE) is not None
