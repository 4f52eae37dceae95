"""Who calls, and what that caller may do."""

from __future__ import annotations

import secrets
import threading

import msgspec

from iris.emulator.core import Core
from iris.emulator.errors import Refusal

CLOUD_PLATFORM = "https://www.googleapis.com/auth/cloud-platform"
TOKEN_LIFE = 3600.0  # seconds
_OWNER = "owner@example.com"


class Caller(msgspec.Struct, frozen=True):
    """An account and what its token is good for."""

    email: str = _OWNER
    project: str = ""  # of a service account; the owner has every project
    scopes: tuple[str, ...] = (CLOUD_PLATFORM,)


class _Minted(msgspec.Struct, frozen=True):
    caller: Caller
    until: float


class Denied(msgspec.Struct, frozen=True):
    """A permission that an account does not have; no email: that nobody has."""

    email: str
    permission: str


class Access:
    """Tokens of the metadata servers, and permissions that were taken away."""

    def __init__(self, core: Core) -> None:
        self._clock = core.clock
        self._lock = threading.Lock()
        self._minted: dict[str, _Minted] = {}
        self._core = core
        self._denied = core.shelf("denied", Denied)

    def mint(
        self, email: str, scopes: tuple[str, ...], project: str
    ) -> tuple[str, float]:
        """A token of a service account, and the seconds that it is good for."""
        token = f"ya29.emulated-{secrets.token_urlsafe(32)}"
        with self._lock:
            now = self._clock.now()
            self._minted = {t: m for t, m in self._minted.items() if m.until > now}
            caller = Caller(email, project, scopes)
            self._minted[token] = _Minted(caller, now + TOKEN_LIFE)
        return token, TOKEN_LIFE

    def caller(self, authorization: str) -> Caller:
        """Whose token it is; any that nobody minted is the owner's."""
        scheme, _, token = authorization.partition(" ")
        if scheme.lower() != "bearer" or not token.strip():
            raise Refusal(
                "required",
                "Request is missing required authentication credential. Expected "
                "OAuth 2 access token or other valid authentication credential.",
            )
        with self._lock:
            minted = self._minted.get(token.strip())
        if minted is None:
            if token.startswith("ya29.emulated-"):
                raise Refusal("required", "Request had invalid authentication.")
            return Caller()
        if minted.until <= self._clock.now():
            raise Refusal("required", "Request had expired authentication.")
        return minted.caller

    def is_valid(self, token: str) -> bool:
        """Is somebody let in with it?"""
        try:
            self.caller(f"Bearer {token}")
        except Refusal:
            return False
        return True

    def require(
        self, caller: Caller, project: str, permission: str, words: str = ""
    ) -> None:
        """Raises a 403 where the caller may not, or its token is not good for that.

        `words` are an API's own for a permission that is missing.
        """
        if CLOUD_PLATFORM not in caller.scopes:
            narrow = "Request had insufficient authentication scopes."
            raise Refusal("forbidden", narrow)
        foreign = caller.project and caller.project != project
        if foreign or not self.holds(caller.email, permission):
            usual = f"Required '{permission}' permission for 'projects/{project}'"
            raise Refusal("forbidden", words or usual)

    def holds(self, email: str, permission: str) -> bool:
        """Has the account the permission?"""
        with self._core.lock:
            found = (self._denied.find(f"{who}/{permission}") for who in (email, ""))
            return not any(found)

    def deny(self, email: str, permission: str) -> None:
        """Take a permission from an account, from all where none is named."""
        with self._core.lock:
            self._denied.put(f"{email}/{permission}", Denied(email, permission))

    def allow(self, email: str, permission: str) -> None:
        """Give it back."""
        with self._core.lock:
            self._denied.drop(f"{email}/{permission}")
