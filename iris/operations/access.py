"""Who may speak to a cluster: tokens are granted, listed, revoked, and put to use."""

from __future__ import annotations

import msgspec
from msgspec.structs import replace

from iris.client import Client, records
from iris.client.records import Record
from iris.domain.access import Grant, Granted, Role
from iris.errors import UsageError
from iris.operations.secret_words import piped_or_asked
from iris.session import LOOK, Session

ROLES = (Role.USER, Role.OPERATOR, Role.VIEWER)


class Used(msgspec.Struct, frozen=True):
    """A cluster that is spoken to from here with a token that was given."""

    cluster: str
    uid: str
    token_file: str


def grant(session: Session, user: str, role: str) -> Granted:
    """Make a token for a person. Raises UsageError."""
    granted = role_of(role)
    with session.controller(LOOK) as client:
        return client.grant(user, granted)


def role_of(word: str) -> Role:
    """A role that people have. Raises UsageError."""
    if word not in ROLES:
        raise UsageError(f"--role: expected {', '.join(ROLES)}, got {word!r}")
    return Role(word)


def all_of(session: Session) -> tuple[Grant, ...]:
    """Whose tokens the cluster lets in."""
    with session.controller(LOOK) as client:
        return client.grants()


def revoke(session: Session, token_hash: str) -> Grant:
    """Let a token in no longer. Raises NotThere."""
    with session.controller(LOOK) as client:
        return client.revoke(token_hash)


def use(session: Session) -> Used:
    """Speak to the cluster with a token that is piped in or asked for, from now on.

    It is kept once the controller has known it. Raises UsageError, NotAuthenticated.
    """
    content = piped_or_asked(f"token for cluster {session.cluster}")
    token = content.decode(errors="replace").strip()
    if not token.isascii() or len(token.split()) != 1:
        raise UsageError(
            f"cluster {session.cluster}: expected one token, and it did not come",
            hint="Pipe it in, or paste it when asked: `inv access.grant USER` made it.",
        )
    url = session.controller_url()
    with Client(url, token, LOOK) as client:
        running = client.cluster()
    fresh = Record(
        cluster=session.cluster,
        cluster_uid=running.uid,
        config_path=session.config_path,
        started_at=session.clock.now(),
    )
    record = replace(session.record or fresh, cluster_uid=running.uid, url=url)
    records.save(record, config_text=running.config_text, token=token)
    file = str(records.token_file(session.cluster))
    return Used(session.cluster, running.uid, file)
