"""What a command says of an error: one line, and nothing that was not typed."""

from __future__ import annotations

import pytest
from invoke.context import Context
from invoke.exceptions import Exit

from iris.commands._edge import command
from tests.support.canary import CANARY


@command()
def sends_what_was_read(c: Context) -> None:
    """Meets a value that is no text where it is to be sent."""
    f"{CANARY}\udcff".encode()


def test_text_that_nobody_typed_is_refused_without_being_shown(capsys):
    with pytest.raises(Exit) as ended:
        sends_what_was_read(Context())

    assert ended.value.code == 2
    assert capsys.readouterr().err == "iris: expected UTF-8 text\n"
