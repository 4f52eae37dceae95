"""How each runtime holds the limits of an attempt, in words a person reads."""

from __future__ import annotations

from iris.domain.fleet import Limits

_LIMITS = {
    "process": Limits(
        cpu="not held: an ordinary user has no control group to set it in",
        memory="held: the memory of all its processes is summed twice a second",
        time="held",
    ),
    "docker": Limits(
        cpu="held: by the container's control group",
        memory="held: by the container's control group",
        time="held",
    ),
}


def limits_of(runtime: str) -> Limits:
    """Those of a runtime, by its name in the cluster file."""
    return _LIMITS[runtime]
