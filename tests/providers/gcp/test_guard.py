"""A rehearsal speaks to this machine only, whatever lies around on it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from iris.clock import RealClock
from iris.domain.endpoints import Endpoints
from iris.errors import CloudError, NotPermitted, Rejected
from iris.providers.gcp.compute import Compute
from iris.providers.gcp.sessions import find_credentials, open_session

HERE = Endpoints("http://127.0.0.1:9", "http://127.0.0.1:9")
ABROAD = "https://compute.googleapis.com/compute/v1/projects/p"
ACCOUNT = {
    "type": "authorized_user",
    "client_id": "1.apps.googleusercontent.com",
    "client_secret": "looks-real",
    "refresh_token": "1//looks-real",
}


@pytest.fixture
def an_account(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Real-looking credentials where Google's library looks for them."""
    file = tmp_path / "application_default_credentials.json"
    file.write_text(json.dumps(ACCOUNT))
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(file))
    monkeypatch.setenv("CLOUDSDK_CONFIG", str(tmp_path))
    monkeypatch.setenv("HTTPS_PROXY", "http://proxy.example.org:3128")
    monkeypatch.delenv("GCE_METADATA_HOST", raising=False)
    return file


def test_a_rehearsal_has_a_token_that_is_worth_nothing(an_account: Path):
    assert find_credentials(HERE).token == "rehearsal"


@pytest.mark.parametrize(
    "url",
    [ABROAD, "http://metadata.google.internal/", "http://127.0.0.1.example.org/"],
)
def test_a_rehearsal_speaks_to_no_other_machine(an_account: Path, url: str):
    session = open_session(find_credentials(HERE), HERE)

    with pytest.raises(Rejected, match="a rehearsal does not speak to"):
        session.get(url, timeout=5)


def test_one_endpoint_of_this_machine_keeps_all_at_home(an_account: Path):
    only_tpu = Endpoints(tpu_url="http://127.0.0.1:9")
    compute = Compute("p", only_tpu, RealClock())  # its own endpoint is Google's

    with pytest.raises(Rejected, match="a rehearsal does not speak to"):
        compute.get("/zones/z/instances/a")


def test_without_endpoints_the_credentials_are_the_persons_own(an_account: Path):
    found = find_credentials(Endpoints())

    assert found.refresh_token == "1//looks-real"


def test_a_machine_without_credentials_says_how_to_get_some(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    gone = tmp_path / "gone.json"
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(gone))

    with pytest.raises(NotPermitted) as refused:
        find_credentials(Endpoints())

    assert "gcloud auth application-default login" in refused.value.hint
    assert isinstance(refused.value, CloudError)
