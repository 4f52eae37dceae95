"""Who we are to Google Cloud, and HTTP that says so.

Where any endpoint is of this machine, nothing else is spoken to, and no credentials
that lie around are looked for: a rehearsal's laptop has a token that is worth nothing.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from requests.adapters import HTTPAdapter

from iris.domain.endpoints import Endpoints, is_loopback
from iris.errors import NotPermitted, Rejected

if TYPE_CHECKING:
    from requests import PreparedRequest, Response, Session

CLOUD_PLATFORM = "https://www.googleapis.com/auth/cloud-platform"
REHEARSAL_TOKEN = "rehearsal"
AT_ONCE = 64  # connections that are kept


def find_credentials(endpoints: Endpoints) -> Any:
    """Google's default ones, or in a rehearsal what is worth nothing elsewhere."""
    import google.auth
    from google.auth.exceptions import GoogleAuthError

    if endpoints.are_of_this_machine:
        return _of_a_rehearsal()
    try:
        return google.auth.default(scopes=[CLOUD_PLATFORM])[0]
    except GoogleAuthError as error:
        raise NotPermitted(
            f"there are no credentials of Google Cloud here: {error}",
            hint="`gcloud auth application-default login` makes some. Without an "
            "account: `inv rehearse --config FILE`.",
        ) from error


def open_session(credentials: Any, endpoints: Endpoints) -> Session:
    """A session that authenticates; of a rehearsal it stays on this machine."""
    from google.auth.transport.requests import AuthorizedSession

    make: Any = AuthorizedSession  # it carries no types
    session: Session = make(credentials)
    keep_at_home(session, endpoints)
    return session


def keep_at_home(session: Session, endpoints: Endpoints) -> None:
    """Let a rehearsal's session speak to loopback only."""
    adapter = HTTPAdapter(pool_connections=8, pool_maxsize=AT_ONCE)
    if endpoints.are_of_this_machine:
        session.trust_env = False  # a proxy would be elsewhere
        adapter = _Loopback(pool_connections=8, pool_maxsize=AT_ONCE)
    session.mount("https://", adapter)
    session.mount("http://", adapter)


class _Loopback(HTTPAdapter):
    """Sends nothing to any other machine, a redirect's least of all."""

    def send(self, request: PreparedRequest, *args: Any, **kwargs: Any) -> Response:
        if not is_loopback(request.url or ""):
            raise Rejected(f"a rehearsal does not speak to {request.url}")
        return super().send(request, *args, **kwargs)


def _of_a_rehearsal() -> Any:
    from google.oauth2.credentials import Credentials

    from iris.providers.gcp.rehearsing import EmulatedVm

    server = os.environ.get("GCE_METADATA_HOST", "")
    if server and is_loopback(f"http://{server}"):
        return EmulatedVm(server)
    static: Any = Credentials
    return static(REHEARSAL_TOKEN)
