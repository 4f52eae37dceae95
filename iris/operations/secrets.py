"""The cluster's own secrets: put, listed, deleted; never shown."""

from __future__ import annotations

from iris.domain.pages import SecretView
from iris.errors import UsageError
from iris.operations.secret_words import (
    piped_or_asked,
    read_secrets,
    sources_of,
    value_in,
)
from iris.session import LOOK, Session

PUT = "secret.put"


def put(session: Session, words: str) -> SecretView:
    """Keep a secret for all jobs; without a source its value is read or asked for."""
    name = name_in(words)
    values = read_secrets([words], PUT)
    value = values[name] if name in values else _from_terminal(name)
    with session.controller(LOOK) as client:
        return client.put_secret(name, value)


def name_in(words: str) -> str:
    """The name of what is to be put. Raises UsageError, without a value in it."""
    (name,) = sources_of([words], PUT)
    return name


def all_of(session: Session) -> tuple[SecretView, ...]:
    """The names of the cluster's secrets."""
    with session.controller(LOOK) as client:
        return client.secrets()


def delete(session: Session, name: str) -> None:
    """Forget one of them. Raises NotThere."""
    with session.controller(LOOK) as client:
        client.delete_secret(name)


def _from_terminal(name: str) -> str:
    content = piped_or_asked(f"value of {name}")
    if not content:
        raise UsageError(
            f"secret {name}: no value came",
            hint=f"Pipe it in, or `inv secret.put {name}=env:VARIABLE`.",
        )
    return value_in(f"secret {name}", content)
