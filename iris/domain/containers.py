"""Containers of attempts: how they are found, and why an engine is silent."""

from __future__ import annotations

VM_LABEL = "iris.vm"  # the VM's folder
UID_LABEL = "iris.attempt"


def words_of_silence(error: BaseException) -> str:
    """Why an engine does not answer: the system's words, below those of libraries."""
    cause, below = error, _below(error)
    while below is not None:
        cause, below = below, _below(below)
    words = (cause.strerror if isinstance(cause, OSError) else "") or str(cause)
    return f"the container engine does not answer: {words}"


def _below(error: BaseException) -> BaseException | None:
    inner = (arg for arg in error.args if isinstance(arg, BaseException))
    return next(inner, error.__cause__)
