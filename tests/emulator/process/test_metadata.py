from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
import requests
from msgspec.structs import replace

from iris.emulator.faults import Fault, FaultKind, Faults
from iris.emulator.machines import Vm
from iris.emulator.process.driver import ProcessDriver
from iris.emulator.process.metadata import PORT
from tests.emulator.process.conftest import ACCOUNT, SCOPE
from tests.support.eventually import eventually

Boot = Callable[..., Vm]
CLIENT = f"""
from google.auth.compute_engine import _metadata
from google.auth.transport.requests import Request
asked = Request()
print(_metadata.is_on_gce(asked))
print(_metadata.get_project_id(asked))
print(_metadata.get_service_account_token(asked, scopes=["{SCOPE}"])[0])
print(_metadata.get_service_account_info(asked)["email"])
"""
GOOGLE = {"Metadata-Flavor": "Google"}


def base(vm: Vm) -> str:
    return f"http://{vm.internal_ip}:{PORT}/computeMetadata/v1/"


def ask(vm: Vm, path: str, **words: Any) -> requests.Response:
    return requests.get(base(vm) + path, **{"headers": GOOGLE, "timeout": 20, **words})


def answers(vm: Vm) -> bool:
    try:
        return ask(vm, "instance/id").ok
    except requests.ConnectionError:
        return False


@pytest.fixture
def vm(boot: Boot) -> Vm:
    made = boot(
        attributes={"iris-cluster": "eu", "enable-guest-attributes": "TRUE"},
        project_attributes={"common": "to all"},
    )
    eventually(lambda: answers(made))
    return made


@pytest.mark.parametrize(
    ("path", "said"),
    [
        ("instance/id", "1"),
        ("instance/hostname", "vm-1.europe-west4-b.c.a-project.internal"),
        ("instance/zone", "projects/42/zones/europe-west4-b"),
        ("instance/attributes/iris-cluster", "eu"),
        ("instance/preempted", "FALSE"),
        ("instance/maintenance-event", "NONE"),
        ("instance/service-accounts/default/email", ACCOUNT),
        ("instance/service-accounts/default/scopes", SCOPE),
        ("project/project-id", "a-project"),
        ("project/attributes/common", "to all"),
        ("instance/attributes/", "enable-guest-attributes\niris-cluster\n"),
    ],
)
def test_values_and_directories_are_plain_text(vm: Vm, path: str, said: str) -> None:
    answer = ask(vm, path)

    assert (answer.status_code, answer.text) == (200, said)
    assert answer.headers["Metadata-Flavor"] == "Google"
    assert answer.headers["Server"].startswith("Metadata Server for VM")
    assert answer.headers["Content-Type"] == "application/text"
    assert answer.headers["ETag"]


def test_who_does_not_say_google_or_was_forwarded_is_refused(vm: Vm) -> None:
    bare = requests.get(base(vm) + "instance/id", timeout=5)
    forwarded = ask(
        vm, "instance/id", headers={**GOOGLE, "X-Forwarded-For": "10.0.0.1"}
    )

    assert (bare.status_code, forwarded.status_code) == (403, 403)
    assert "Missing Metadata-Flavor:Google header." in bare.text
    ping = requests.get(f"http://{vm.internal_ip}:{PORT}/", timeout=5)
    assert (ping.status_code, ping.headers["Metadata-Flavor"]) == (200, "Google")


def test_a_directory_without_its_slash_is_moved_and_nothing_is_missing(vm: Vm) -> None:
    moved = ask(vm, "instance/attributes", allow_redirects=False)

    assert moved.status_code == 301
    assert moved.headers["Location"].endswith("instance/attributes/")
    assert ask(vm, "instance/attributes/none").status_code == 404
    assert ask(vm, "universe/universe-domain").status_code == 404


def test_a_subtree_is_json_in_camel_case_or_flat_text(vm: Vm) -> None:
    tree = ask(vm, "instance/", params={"recursive": "true"}).json()
    flat = ask(
        vm, "instance/attributes/", params={"recursive": "true", "alt": "text"}
    ).text

    assert tree["id"] == 1
    assert tree["machineType"] == "projects/42/machineTypes/n2-standard-4"
    assert tree["networkInterfaces"][0]["ip"] == vm.internal_ip
    outside = tree["networkInterfaces"][0]["accessConfigs"][0]
    assert outside["externalIp"] == vm.external_ip
    assert tree["serviceAccounts"]["default"]["scopes"] == [SCOPE]
    assert tree["attributes"]["iris-cluster"] == "eu"
    assert flat == "iris-cluster eu\nenable-guest-attributes TRUE\n"
    assert ask(vm, "instance/name", params={"alt": "json"}).text == '"vm-1"'


def test_a_change_wakes_who_waits_for_it(driver: ProcessDriver, vm: Vm) -> None:
    path = "instance/attributes/iris-controller"
    here = replace(vm, attributes={**vm.attributes, "iris-controller": "here"})
    there = replace(vm, attributes={**vm.attributes, "iris-controller": "there"})
    driver.update(here)
    known = ask(vm, path).headers["ETag"]
    words = {"wait_for_change": "true", "last_etag": known}

    with ThreadPoolExecutor(1) as waiting:
        woken = waiting.submit(ask, vm, path, params={**words, "timeout_sec": "15"})
        driver.update(there)
        assert woken.result(20).text == "there"

    assert ask(vm, path, params=words).text == "there"  # another than it knows
    words["last_etag"] = ask(vm, path).headers["ETag"]
    assert ask(vm, path, params={**words, "timeout_sec": "0.05"}).text == "there"


def test_a_preemption_and_a_maintenance_are_seen_inside(
    driver: ProcessDriver, vm: Vm
) -> None:
    driver.maintain(vm.id, "TERMINATE_ON_HOST_MAINTENANCE")
    assert ask(vm, "instance/maintenance-event").text == "TERMINATE_ON_HOST_MAINTENANCE"

    driver.stop(vm.id, notice=30.0, preempted=True)

    assert ask(vm, "instance/preempted").text == "TRUE"


def test_guest_attributes_are_kept_only_where_the_vm_may_have_some(
    driver: ProcessDriver, boot: Boot, vm: Vm
) -> None:
    url = "instance/guest-attributes/iris/phase"
    other = boot(number=2)
    eventually(lambda: answers(other))

    kept = requests.put(base(vm) + url, b"ready", headers=GOOGLE, timeout=5)
    refused = requests.put(base(other) + url, b"ready", headers=GOOGLE, timeout=5)
    bare = requests.put(base(vm) + url, b"else", timeout=5)

    assert (kept.status_code, refused.status_code, bare.status_code) == (200, 403, 403)
    assert driver.guest_attributes(vm.id)["iris"] == {"phase": "ready"}
    assert ask(vm, url).text == "ready"
    assert driver.guest_attributes(vm.id)["hostkeys"]["ssh-ed25519"]


def test_googles_own_client_gets_a_token(vm: Vm) -> None:
    where = f"{vm.internal_ip}:{PORT}"
    names = ("GCE_METADATA_HOST", "GCE_METADATA_ROOT", "GCE_METADATA_IP")
    program = [sys.executable, "-c", CLIENT]  # which reads them when it is loaded

    said = subprocess.run(
        program,
        env=dict.fromkeys(names, where),
        capture_output=True,
        text=True,
        check=True,
    )

    token = ask(vm, "instance/service-accounts/default/token").json()
    assert token["token_type"] == "Bearer"
    assert said.stdout.splitlines() == [
        "True",
        "a-project",
        token["access_token"],
        ACCOUNT,
    ]
    missing = ask(vm, "instance/service-accounts/other/token")
    assert missing.status_code == 404


def test_who_has_no_account_gets_no_token(boot: Boot) -> None:
    vm = boot(number=2, service_account="", scopes=())
    eventually(lambda: answers(vm))

    assert ask(vm, "instance/service-accounts/default/token").status_code == 404
    assert ask(vm, "instance/service-accounts/").text.strip() == ""


def test_it_may_be_away_for_a_moment_or_come_late(
    faults: Faults, boot: Boot, vm: Vm
) -> None:
    faults.inject(Fault(FaultKind.METADATA_UNAVAILABLE, times=2))
    said = [ask(vm, "instance/id").status_code for _ in range(3)]

    late = boot(number=2, metadata_delay=0.3)

    assert said == [503, 503, 200]
    eventually(lambda: answers(late))
