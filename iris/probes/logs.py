"""What does the controller say in its log?"""

from __future__ import annotations

from collections.abc import Iterator

from iris.errors import IrisError
from iris.session import Session


def ask(session: Session, *, lines: int = 200) -> tuple[str, ...]:
    """Its last lines; of a controller that does not answer, from its machine."""
    try:
        with session.controller(patience=0.0) as client:
            return client.controller_log(lines)
    except IrisError:
        kept = session.provider.read_controller_file("controller.log")
        return tuple(kept.decode(errors="replace").splitlines()[-lines:])


def follow(session: Session, *, lines: int = 200) -> Iterator[str]:
    """Its last lines, then each as it is written."""
    with session.controller() as client:
        yield from client.follow_controller_log(lines)
