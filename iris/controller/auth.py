"""Who calls: bearer tokens, known by their hashes alone."""

from __future__ import annotations

import os
import secrets
import threading
from pathlib import Path

import msgspec

from iris.controller.change import hash_token
from iris.controller.state import State
from iris.domain.access import Grant, Role
from iris.domain.states import SLICE_COMING, SliceState
from iris.errors import NotAuthenticated, NotThere

OPERATOR_TOKEN_FILE = "operator.token"
NO_INDEX = -1  # of a boot token: a VM that was not told its index may only say so


class Caller(msgspec.Struct, frozen=True):
    """Who speaks; a VM that joins has no worker uid yet, only its place."""

    role: Role
    user: str
    worker_uid: str = ""
    job_uid: str = ""  # a task of this job speaks: for its children only
    slice_name: str = ""  # of the join token
    index: int = NO_INDEX

    @property
    def joins(self) -> bool:
        """Does it speak with a join token?"""
        return bool(self.slice_name)


class Gate:
    """Turns a request's Authorization header into a caller."""

    def __init__(self, state: State) -> None:
        self._state = state
        self._joins = _JoinTokens(state)

    def identify(self, authorization: str) -> Caller:
        """Who has a grant. Raises NotAuthenticated."""
        token = bearer(authorization)
        grant = self._state.grant_of(hash_token(token))
        if grant is None and (job := self._state.job_of_token(token)):
            return Caller(Role.USER, job.user, job_uid=job.uid)
        if grant is None:
            raise NotAuthenticated(
                "nobody here knows this token",
                hint="Is it another cluster's, or was it revoked? `inv cluster.start` "
                "fetches an operator's anew; an operator's `inv access.grant USER` "
                "makes one for somebody else.",
            )
        return Caller(grant.role, grant.user, grant.worker_uid)

    def identify_joining(self, authorization: str) -> Caller:
        """Who has a grant, or the join token of a VM. Raises NotAuthenticated."""
        token_hash = hash_token(bearer(authorization))
        if self._state.grant_of(token_hash) is None:
            place = self._joins.place_of(token_hash)
            if place is not None:
                return Caller(Role.WORKER, "", slice_name=place[0], index=place[1])
        return self.identify(authorization)


def ensure_operator_token(state: State, folder: Path, now: float) -> None:
    """Make the first operator's token, or let in the one that was made before.

    The file is written first: a crash in between leaves a token that the next
    start lets in, never a grant that nobody can use.
    """
    path = folder / OPERATOR_TOKEN_FILE
    if not path.exists():
        _write_secret(path, secrets.token_urlsafe(32))
    token_hash = hash_token(path.read_text().strip())
    if state.grant_of(token_hash) is None:
        state.grant(Grant(token_hash, Role.OPERATOR, "operator", granted_at=now))
    state.wait_durable()


def _write_secret(path: Path, secret: str) -> None:
    draft = path.with_name(path.name + ".new")
    draft.unlink(missing_ok=True)
    file = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    try:
        os.write(file, f"{secret}\n".encode())
        os.fsync(file)
    finally:
        os.close(file)
    draft.rename(path)


def bearer(authorization: str) -> str:
    """The token of an Authorization header. Raises NotAuthenticated."""
    scheme, _, token = authorization.partition(" ")
    if scheme.lower() != "bearer" or not token.strip():
        raise NotAuthenticated(
            "no bearer token came with the request",
            hint="Send `Authorization: Bearer TOKEN`; see `inv cluster.status --json`.",
        )
    return token.strip()


class _JoinTokens:
    """The hashes of join tokens and boot tokens of all slices that may be joined."""

    def __init__(self, state: State) -> None:
        self._state = state
        self._lock = threading.Lock()
        self._hashes: dict[str, dict[str, int]] = {}  # slice -> hash -> index

    def place_of(self, token_hash: str) -> tuple[str, int] | None:
        """The slice and the index that a join token is for."""
        with self._lock:
            self._refresh()
            for slice_name, index_by_hash in self._hashes.items():
                if token_hash in index_by_hash:
                    return slice_name, index_by_hash[token_hash]
        return None

    def _refresh(self) -> None:
        with self._state.reading() as tables:
            open_to = {
                s.name
                for s in tables.slices.values()
                if s.state in SLICE_COMING or s.state is SliceState.READY
            }
        for slice_name in self._hashes.keys() - open_to:
            del self._hashes[slice_name]
        for slice_name in open_to - self._hashes.keys():
            try:
                request = self._state.create_request(slice_name, "")
            except NotThere:
                continue  # gone meanwhile, or of a group that the file has lost
            self._hashes[slice_name] = {
                hash_token(token): index
                for index, token in enumerate(request.join_tokens)
            } | {hash_token(request.boot_token): NO_INDEX}
