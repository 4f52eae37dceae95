"""Roles, and who a token speaks for."""

from __future__ import annotations

from enum import StrEnum

import msgspec


class Role(StrEnum):
    """What a token may do."""

    OPERATOR = "operator"
    USER = "user"
    VIEWER = "viewer"
    WORKER = "worker"


class Grant(msgspec.Struct, frozen=True):
    """One token, by its hash: its role, and whom it speaks for."""

    token_hash: str
    role: Role
    user: str
    worker_uid: str = ""
    granted_at: float = 0.0


class GrantRequest(msgspec.Struct, frozen=True):
    """A token to make."""

    role: Role
    user: str


class Granted(msgspec.Struct, frozen=True):
    """The only time that the token is shown."""

    token: str
    grant: Grant
