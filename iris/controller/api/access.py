"""Access: who has a token, and of which role; the controller keeps only hashes."""

from __future__ import annotations

import secrets

from iris.controller.api.route import OPERATORS, Call, NoQuery, Routes
from iris.controller.change import hash_token
from iris.domain.access import Grant, Granted, GrantRequest, Role
from iris.domain.pages import Page
from iris.errors import NotThere, UsageError

routes = Routes()
_GRANTABLE = (Role.OPERATOR, Role.USER, Role.VIEWER)
_SHORTEST_PREFIX = 12


@routes.add("GET", "/v1/access", roles=OPERATORS, answer=Page[Grant])
def list_grants(call: Call[None, NoQuery]) -> Page[Grant]:
    """The grants of people; those of workers come and go with their slices."""
    with call.parts.state.reading() as tables:
        grants = [g for g in tables.grants.values() if g.role is not Role.WORKER]
    return Page(tuple(sorted(grants, key=lambda grant: grant.granted_at)))


@routes.add(
    *("POST", "/v1/access"),
    roles=OPERATORS,
    body=GrantRequest,
    answer=Granted,
    status=201,
)
def grant(call: Call[GrantRequest, NoQuery]) -> Granted:
    """Make a token for a person."""
    role, user = call.body.role, call.body.user
    if role not in _GRANTABLE:
        raise UsageError(f"role: expected operator, user or viewer, got {role}")
    if not (user.isprintable() and 1 <= len(user) <= 64):
        raise UsageError("user: expected 1 to 64 printable characters")
    token = secrets.token_urlsafe(32)
    granted = Grant(hash_token(token), role, user, granted_at=call.parts.clock.now())
    call.parts.state.grant(granted)
    return Granted(token, granted)


@routes.add("POST", "/v1/access/{token_hash}:revoke", roles=OPERATORS, answer=Grant)
def revoke(call: Call[None, NoQuery]) -> Grant:
    """Let a token in no longer; the first 12 digits of its hash will do."""
    prefix = call.params["token_hash"]
    with call.parts.state.reading() as tables:
        found = [
            g
            for g in tables.grants.values()
            if g.role is not Role.WORKER and g.token_hash.startswith(prefix)
        ]
    if len(prefix) < _SHORTEST_PREFIX or len(found) != 1:
        raise NotThere(
            f"no one grant of a person begins with {prefix[:64]!r}",
            hint="`inv access.list` shows 12 digits of each hash.",
        )
    call.parts.state.revoke(found[0].token_hash)
    return found[0]
