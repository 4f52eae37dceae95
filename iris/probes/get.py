"""What does a path of the API answer?"""

from __future__ import annotations

from typing import Any

from iris.session import LOOK, Session


def ask(session: Session, path: str) -> Any:
    """The JSON of any path, such as /v1/jobs or jobs."""
    with session.controller(LOOK) as client:
        return client.get(path if path.startswith(("/", "v1/")) else f"/v1/{path}")
