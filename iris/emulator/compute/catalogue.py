"""Zones, machine types and images that the emulated Compute Engine knows."""

from __future__ import annotations

from iris.domain.machine_types import machine_size
from iris.emulator.tpu.catalogue import ZONES as TPU_ZONES

_REGIONS = {
    "europe-west1": "bcd",
    "europe-west4": "abc",
    "us-central1": "abcf",
    "us-central2": "b",
    "us-east1": "bcd",
    "us-east5": "abc",
    "us-south1": "abc",
    "us-west1": "abc",
    "us-west4": "abc",
    "asia-northeast1": "abc",
}
ZONES = tuple(
    sorted({f"{r}-{z}" for r, zones in _REGIONS.items() for z in zones} | {*TPU_ZONES})
)
IMAGE_FAMILIES = {
    ("debian-cloud", "debian-12"): "debian-12-bookworm-v20260810",
    ("debian-cloud", "debian-11"): "debian-11-bullseye-v20260810",
    ("ubuntu-os-cloud", "ubuntu-2204-lts"): "ubuntu-2204-jammy-v20260805",
    ("ubuntu-os-cloud", "ubuntu-2404-lts-amd64"): "ubuntu-2404-noble-amd64-v20260805",
    ("cos-cloud", "cos-stable"): "cos-stable-121-18867-199-52",
}


def machine(machine_type: str) -> tuple[int, int] | None:
    """CPUs and megabytes of memory of a machine type, None for an unknown one."""
    if machine_type in ("e2-micro", "e2-small", "e2-medium"):
        return 2, {"e2-micro": 1024, "e2-small": 2048, "e2-medium": 4096}[machine_type]
    size = machine_size(machine_type)
    return (int(size.cpus), size.memory_bytes // 1_000_000) if size else None


def image_of(words: str) -> str:
    """The image that a family or a full path names, as a path."""
    path = words.split("/compute/v1/")[-1]
    parts = path.split("/")
    project = parts[1] if parts[0] == "projects" else "debian-cloud"
    if "imageFamilyViews" in parts or "family" in parts:
        name = IMAGE_FAMILIES.get((project, parts[-1]), f"{parts[-1]}-v20260810")
        return f"projects/{project}/global/images/{name}"
    return path
