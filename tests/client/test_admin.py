"""What an emulator's own side answers, and what is said when it does not."""

from __future__ import annotations

import pytest

from iris.client.admin import Admin
from iris.errors import FellShort, Unreachable, UsageError
from tests.support.http_server import HttpServer, Said

PROBLEM = b'{"error": {"code": 400, "message": "kind: expected one of a, b"}}'


@pytest.fixture
def server():
    with HttpServer(lambda asked: Said()) as server:
        yield server


@pytest.fixture
def admin(server):
    return Admin(f"{server.url}/admin/")


def test_the_ledger_keeps_what_it_does_not_know_to_itself(server, admin):
    body = b'{"resources": [{"kind": "disk", "name": "d", "colour": "red"}]}'
    server.answer = lambda asked: Said(body=body)

    (found,) = admin.ledger()

    assert (found.kind, found.name, found.deleted_at) == ("disk", "d", 0.0)
    assert server.asked[0].path == "/admin/ledger"


@pytest.mark.parametrize(
    ("said", "kind", "words"),
    [
        (Said(400, PROBLEM), UsageError, "kind: expected one of a, b"),
        (Said(400, b'{"detail": "no such kind"}'), UsageError, "no such kind"),
        (Said(400, b"no\n such"), UsageError, "no such"),
        (Said(500, b""), FellShort, "the emulator failed: HTTP 500"),
    ],
)
def test_a_fault_that_is_refused_is_one_line(server, admin, said, kind, words):
    server.answer = lambda asked: said

    with pytest.raises(kind) as refused:
        admin.inject({"kind": "flood"})

    assert str(refused.value) == words


def test_an_emulator_that_is_gone_says_how_to_start_one(server):
    admin = Admin("http://127.0.0.1:1/admin/")

    with pytest.raises(Unreachable) as gone:
        admin.ledger()

    assert "rehearse.start" in gone.value.hint
    assert admin.answers() is False
