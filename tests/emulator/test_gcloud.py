"""The real gcloud against the whole emulator: VMs that boot, slices, disks."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.support.emulator import running_emulator

pytestmark = pytest.mark.skipif(
    shutil.which("gcloud") is None, reason="gcloud is not installed"
)
ZONE = "--zone=europe-west4-b"
Gcloud = Callable[..., str]


@pytest.fixture
def gcloud(tmp_path: Path) -> Iterator[Gcloud]:
    (tmp_path / "emulator").mkdir()
    (tmp_path / "token").write_text("a-token\n")
    with running_emulator(tmp_path / "emulator") as emulator:
        base = f"{emulator.base_url}/"
        environment = {
            "PATH": os.environ["PATH"],
            "HOME": str(tmp_path),
            "CLOUDSDK_CONFIG": str(tmp_path / "gcloud"),
            "CLOUDSDK_AUTH_ACCESS_TOKEN_FILE": str(tmp_path / "token"),
            "CLOUDSDK_CORE_PROJECT": "iris-rehearsal",
            "CLOUDSDK_CORE_DISABLE_PROMPTS": "1",
            "CLOUDSDK_CORE_DISABLE_USAGE_REPORTING": "1",
            "CLOUDSDK_COMPONENT_MANAGER_DISABLE_UPDATE_CHECK": "1",
            "CLOUDSDK_API_ENDPOINT_OVERRIDES_COMPUTE": f"{base}compute/v1/",
            "CLOUDSDK_API_ENDPOINT_OVERRIDES_TPU": base,
        }

        def ask(*words: str) -> str:
            ran = subprocess.run(
                ["gcloud", "compute", *words],
                env=environment,
                stdin=subprocess.DEVNULL,
                capture_output=True,
                timeout=100,
                text=True,
                check=False,
            )
            assert ran.returncode == 0, ran.stderr
            return ran.stdout

        yield ask


def test_a_vm_of_gcloud_boots_is_relabelled_and_goes(gcloud: Gcloud, tmp_path: Path):
    script = tmp_path / "startup.sh"
    script.write_text("#!/bin/sh\necho the script ran\n")

    gcloud(
        *("instances", "create", "vm-1", ZONE, "--machine-type=n2-standard-4"),
        *("--image-family=debian-12", "--image-project=debian-cloud"),
        f"--metadata-from-file=startup-script={script}",
    )
    gcloud("instances", "add-labels", "vm-1", ZONE, "--labels=owner=anna")
    gcloud("instances", "add-metadata", "vm-1", ZONE, "--metadata=key=value")
    shown = gcloud("instances", "describe", "vm-1", ZONE, "--format=value(labels)")
    console = gcloud("instances", "get-serial-port-output", "vm-1", ZONE)
    gcloud("instances", "delete", "vm-1", ZONE)

    assert shown.strip() == "owner=anna"
    assert "startup-script: the script ran" in console
    assert gcloud("instances", "list", "--format=value(name)") == ""
    assert gcloud("disks", "list", "--format=value(name)") == ""


def test_slices_and_queued_resources_of_gcloud_come_and_go(gcloud: Gcloud):
    kind = ("--accelerator-type=v5litepod-16", "--runtime-version=v2-alpha-tpuv5-lite")

    gcloud(*("tpus", "queued-resources", "create", "q-1", ZONE, "--node-id=s-1"), *kind)
    listed = gcloud("tpus", "tpu-vm", "list", ZONE, "--format=value(name,state)")
    waiting = gcloud("tpus", "queued-resources", "list", ZONE, "--format=value(name)")
    gcloud("tpus", "queued-resources", "delete", "q-1", ZONE, "--force")

    assert "s-1" in listed
    assert waiting.strip().endswith("q-1")
    assert gcloud("tpus", "tpu-vm", "list", ZONE, "--format=value(name)") == ""


@pytest.mark.skipif(os.geteuid() != 0, reason="gcloud dials port 22, root's to bind")
def test_gcloud_lets_somebody_in_by_a_key_of_the_project(gcloud: Gcloud):
    gcloud(*("instances", "create", "vm-1", ZONE, "--machine-type=n2-standard-4"))

    words = ("ssh", "ada@vm-1", ZONE, "--quiet", "--command=echo the VM is $((40 + 2))")

    assert gcloud(*words).splitlines()[-1] == "the VM is 42"
