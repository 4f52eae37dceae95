from __future__ import annotations

import pytest

from iris.errors import EngineFailed, NoEngine, NotFound, NotPermitted, Unavailable
from iris.images.refusals import refusal


@pytest.mark.parametrize(
    ("words", "kind"),
    [
        ("write /var/lib/docker/tmp/x: no space left on device", EngineFailed),
        ("Cannot connect to the Docker daemon at unix:///x. Is it running?", NoEngine),
        ("denied: Permission 'uploadArtifacts' denied on resource", NotPermitted),
        ("unauthorized: authentication required", NotPermitted),
        ("no basic auth credentials", NotPermitted),
        ("unexpected status code 403 Forbidden", NotPermitted),
        ("received unexpected HTTP status: 503 Service Unavailable", Unavailable),
        ("toomanyrequests: Quota exceeded", Unavailable),
        ("net/http: TLS handshake timeout", Unavailable),
        ("read: connection reset by peer", Unavailable),
        ("dial tcp: lookup eu.pkg.dev: no such host", Unavailable),
        ("unexpected EOF", Unavailable),
        ("manifest verification failed for digest sha256:0a1", Unavailable),
        ("filesystem layer verification failed for digest sha256:403", Unavailable),
        ("manifest for x not found: manifest unknown", NotFound),
        ("name unknown: Repository 'iris' not found", NotFound),
        ("could not find bridge docker0: no such network interface", EngineFailed),
        ("the moon is in the way", EngineFailed),
    ],
)
def test_an_engines_words_become_an_error_with_a_way_out(words, kind):
    error = refusal("image x cannot be pushed", f"Error response from daemon: {words}")

    assert type(error) is kind
    assert error.message == f"image x cannot be pushed: {words}"
    assert error.hint
