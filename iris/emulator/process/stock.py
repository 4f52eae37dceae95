"""The images of an emulated VM: which were pulled, and why one cannot be."""

from __future__ import annotations

import os
import sys
import urllib.parse
import urllib.request
from pathlib import Path

from iris.emulator.process.containers import Wrong, containers
from iris.emulator.process.flags import split

OURS = ("iris-controller", "iris-worker")  # images that are this installation
PASSWORD = "--password-stdin"


def login(words: list[str]) -> int:
    """Takes any password from stdin."""
    flags, _ = split(words, {"-u", "--username", "-p", "--password"}, {PASSWORD})
    if PASSWORD in flags and not sys.stdin.read().strip():
        raise Wrong(1, "Error: Password Empty")
    say("Login Succeeded")
    return 0


def pull(words: list[str]) -> int:
    """Contacts nothing but the emulator, which may say no."""
    _, (image,) = split(words, {"--platform"}, {"-q", "--quiet"})
    said = _asked(image)
    if said:
        raise Wrong(1, f"Error response from daemon: {said}")
    if name_of(image) not in OURS:
        raise Wrong(1, f"Error response from daemon: manifest for {image} not found")
    with _pulled().open("a") as file:
        file.write(f"{image}\n")
    say(image)
    return 0


def image(words: list[str]) -> int:
    """Of images only whether one is here."""
    if words[:1] != ["inspect"]:
        raise Wrong(64, "docker stand-in: of images only `inspect` is known")
    for name in words[1:]:
        file = _pulled()
        if not file.exists() or name not in file.read_text().splitlines():
            raise Wrong(1, f"Error: No such image: {name}")
    return 0


def _pulled() -> Path:
    return containers().parent / "images"


def _asked(image: str) -> str:
    where = os.environ.get("GCE_METADATA_HOST", "")
    query = urllib.parse.urlencode({"image": image})
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with opener.open(f"http://{where}/emulator/pull?{query}", timeout=10) as answer:
        words: str = answer.read().decode()
    return words


def name_of(image: str) -> str:
    """`registry/project/name:tag@digest` without all but the name."""
    return image.rpartition("/")[2].partition("@")[0].partition(":")[0]


def say(line: object) -> None:
    """To whoever asked."""
    sys.stdout.write(f"{line}\n")
