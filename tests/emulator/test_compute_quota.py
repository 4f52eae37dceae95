"""CPUs of a region: a limit refuses, and frees what is given back."""

from __future__ import annotations

from tests.emulator.conftest import PROJECT, ZONE, Cloud
from tests.emulator.test_compute import BODY, insert
from tests.support.eventually import eventually

REGION = ZONE.rpartition("-")[0]


def limit_cpus(cloud: Cloud, limit: int, **changes: str) -> None:
    body = {"project": PROJECT, "quota": "CPUS", "zone": REGION, "limit": limit}
    assert cloud.admin("POST", "quotas", body | changes).status_code == 200


def refused(cloud: Cloud) -> dict[str, object]:
    answer = cloud.ask("POST", f"{cloud.zone}/instances", BODY | {"name": "vm-2"})
    assert answer.status_code == 403
    return answer.json()["error"]


def test_cpus_beyond_the_limit_of_a_region_are_refused_and_nothing_is_made(
    cloud: Cloud,
):
    limit_cpus(cloud, 6)
    insert(cloud)  # 4 of them

    error = refused(cloud)

    assert error["errors"][0]["reason"] == "quotaExceeded"
    assert error["message"] == f"Quota 'CPUS' exceeded.  Limit: 6.0 in region {REGION}."
    listed = cloud.ask("GET", f"{cloud.zone}/instances").json()["items"]
    assert [vm["name"] for vm in listed] == ["vm-1"]


def test_a_quota_frees_when_a_vm_goes_or_stops(cloud: Cloud):
    limit_cpus(cloud, 4)
    insert(cloud)
    refused(cloud)

    cloud.ask("POST", f"{cloud.zone}/instances/vm-1/stop")
    vm = f"{cloud.zone}/instances/vm-1"
    eventually(lambda: cloud.ask("GET", vm).json()["status"] == "TERMINATED")

    insert(cloud, name="vm-2")


def test_limits_of_others_and_of_other_kinds_do_not_count(cloud: Cloud):
    limit_cpus(cloud, 0, zone="us-central1")
    limit_cpus(cloud, 0, project="another-project")
    limit_cpus(cloud, 0, quota="PREEMPTIBLE_CPUS")

    insert(cloud)
