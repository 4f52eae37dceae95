"""Where a cloud's services answer; empty means the cloud's own addresses."""

from __future__ import annotations

import re
from collections.abc import Mapping
from ipaddress import ip_address

import msgspec

_NAME = re.compile(r"[a-z]+://(?:\[(?P<six>[^]]*)\]|(?P<name>[^/:?#@]*))(?=[/:?#]|$)")
_BY_VARIABLE = {
    "IRIS_COMPUTE_URL": "compute_url",
    "IRIS_TPU_URL": "tpu_url",
    "IRIS_RESOURCE_MANAGER_URL": "projects_url",
}


class Endpoints(msgspec.Struct, frozen=True, omit_defaults=True):
    """Base URLs without a path: `http://127.0.0.1:4443`."""

    compute_url: str = ""
    tpu_url: str = ""
    projects_url: str = ""  # Cloud Resource Manager

    @classmethod
    def from_environment(cls, environment: Mapping[str, str]) -> Endpoints:
        """As IRIS_COMPUTE_URL and its kin say."""
        named = {f: environment.get(v, "") for v, f in _BY_VARIABLE.items()}
        return cls(**named)

    def variables(self) -> dict[str, str]:
        """The other way round, for a program that is started."""
        return {v: getattr(self, f) for v, f in _BY_VARIABLE.items()}

    @property
    def are_of_this_machine(self) -> bool:
        """Is any of them on loopback? Then nothing else may be spoken to."""
        return any(is_loopback(getattr(self, f)) for f in _BY_VARIABLE.values())


def is_loopback(url: str) -> bool:
    """Does a URL lead to this machine?"""
    found = _NAME.match(url)
    name = (found["six"] or found["name"] or "") if found else ""
    try:
        return ip_address(name).is_loopback
    except ValueError:
        return name == "localhost"
