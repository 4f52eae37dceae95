"""Ctrl-C and its kin: the first ends what is done, none breaks the ending."""

from __future__ import annotations

import os
import signal

import pytest

from iris.operations.interrupts import INTERRUPTS, Interrupts


@pytest.mark.parametrize("number", INTERRUPTS)
def test_each_interrupts_and_what_was_before_comes_back(number):
    before = signal.getsignal(number)

    with pytest.raises(KeyboardInterrupt), Interrupts():
        os.kill(os.getpid(), number)

    assert signal.getsignal(number) is before


@pytest.mark.parametrize("number", INTERRUPTS)
def test_none_interrupts_the_ending(number):
    with Interrupts() as interrupts:
        interrupts.hold_off()
        os.kill(os.getpid(), number)


def test_what_is_to_be_ignored_stays_ignored():
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)  # as by nohup
    try:
        with Interrupts():
            os.kill(os.getpid(), signal.SIGHUP)

        assert signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGHUP, before)
