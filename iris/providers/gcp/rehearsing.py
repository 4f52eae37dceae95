"""Credentials on a VM of the emulator: from its metadata server, and from nowhere else.

Google's own for a VM also look up trust boundaries, at Google.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import requests
from google.auth.credentials import Credentials
from google.auth.exceptions import RefreshError

_TOKEN = "computeMetadata/v1/instance/service-accounts/default/token"
_TIMEOUT = 10.0  # seconds


class EmulatedVm(Credentials):
    """The VM's service account, as the emulator's metadata server speaks for it."""

    def __init__(self, server: str) -> None:
        super().__init__()  # type: ignore[no-untyped-call]  # it carries no types
        self._url = f"http://{server}/{_TOKEN}"

    def refresh(self, request: Any) -> None:
        """Fetch a token; what `request` would do leads elsewhere."""
        try:
            with requests.Session() as session:
                session.trust_env = False  # a proxy would be elsewhere
                answer = session.get(
                    self._url,
                    headers={"Metadata-Flavor": "Google"},
                    timeout=_TIMEOUT,
                    allow_redirects=False,
                )
                answer.raise_for_status()
                said = answer.json()
        except (requests.RequestException, ValueError) as error:
            fault: Any = RefreshError
            raise fault(f"no token from the metadata server: {error}") from error
        self.token = said["access_token"]
        life = timedelta(seconds=float(said["expires_in"]))
        # without a zone, as google-auth compares it
        self.expiry = (datetime.now(UTC) + life).replace(tzinfo=None)
