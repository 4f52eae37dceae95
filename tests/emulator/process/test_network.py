"""Addresses of VMs: internal ones stay, external ones change with each start."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from iris.emulator.process.network import MOST, Network


@pytest.fixture
def network(tmp_path: Path) -> Iterator[Network]:
    made = Network(tmp_path)
    yield made
    made.close()


def test_a_vm_that_was_off_has_another_external_address(network: Network) -> None:
    internal, external = network.take("1")

    renewed = network.renew("1")

    assert renewed != external
    assert network.take("1") == (internal, renewed)
    assert network.take("2")[1] == external


def test_addresses_outlive_the_emulator(network: Network, tmp_path: Path) -> None:
    network.take("1")
    network.renew("1")
    before = network.take("1")
    network.close()

    again = Network(tmp_path)

    assert again.take("1") == before
    again.close()


def test_where_no_other_is_free_the_address_stays(network: Network) -> None:
    for number in range(MOST):
        network.take(str(number))
    before = network.take("7")

    assert network.renew("7") == before[1]


def test_what_a_vm_gives_back_is_free_again(network: Network) -> None:
    before = network.take("1")
    network.release("1")

    assert network.take("2") == before
