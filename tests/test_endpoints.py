from __future__ import annotations

import pytest

from iris.domain.endpoints import Endpoints, is_loopback


@pytest.mark.parametrize(
    ("url", "is_here"),
    [
        ("http://127.0.0.1:4443", True),
        ("http://127.9.8.7", True),
        ("http://localhost:80/", True),
        ("http://[::1]:80/", True),
        ("https://tpu.googleapis.com", False),
        ("http://127.0.0.1.example.org", False),
        ("http://10.0.0.1", False),
        ("", False),
    ],
)
def test_a_url_leads_to_this_machine_or_it_does_not(url: str, is_here: bool):
    assert is_loopback(url) is is_here


def test_endpoints_travel_to_a_program_in_its_environment():
    endpoints = Endpoints(
        compute_url="http://127.0.0.1:1", tpu_url="http://127.0.0.1:2"
    )

    assert Endpoints.from_environment(endpoints.variables()) == endpoints
    assert endpoints.are_of_this_machine
    assert not Endpoints.from_environment({}).are_of_this_machine
