"""Stands in for `docker` inside a VM that is a folder: containers are process trees.

A program of its own that needs nothing but Python, so that it starts at once. It
knows what bootstrap/*.sh and agents say, and exits 64 naming any word beyond that.
"""

from __future__ import annotations

import contextlib
import json
import os
import sys
import uuid
from collections.abc import Iterable, Sequence
from typing import Any

from iris.emulator.process.containers import (
    STOP_GRACE,
    Wrong,
    containers,
    end,
    every,
    pid_of,
    remove,
    spec_of,
    start_up,
    state_of,
    there,
)
from iris.emulator.process.executing import execute
from iris.emulator.process.flags import many, one, split
from iris.emulator.process.stock import OURS, image, login, name_of, pull, say

WITH_VALUE = {
    *("--name", "--network", "--restart", "-v", "--volume", "-e", "--env", "--label"),
    *("-l", "--device", "--ulimit", "--shm-size", "--pid", "--log-opt"),
    *("--mount", "--stop-timeout"),
}
SWITCHES = {"-d", "--detach", "--privileged", "--init"}


def main(words: list[str]) -> int:
    """Obey one command."""
    if not words:
        raise Wrong(64, "docker stand-in: no command")
    name, rest = words[0], words[1:]
    if name == "container" and rest:
        name, rest = rest[0], rest[1:]
    known = COMMANDS.get(name)
    if known is None:
        raise Wrong(64, f"docker stand-in: unknown command {name!r}")
    return known(rest)


def version(words: list[str]) -> int:
    """Whether the engine answers: it always does."""
    split(words, {"--format", "-f"}, set())
    say("iris-emulator")
    return 0


def run(words: list[str]) -> int:
    """Start a container; only detached ones."""
    flags, rest = split(words, WITH_VALUE, SWITCHES)
    if not rest:
        raise Wrong(125, "docker: no image is named")
    image, command = rest[0], rest[1:]
    if not {"-d", "--detach"} & set(flags):
        raise Wrong(64, "docker stand-in: only `run -d` is known")
    if name_of(image) not in OURS:
        raise Wrong(125, f"docker: Unable to find image '{image}' locally")
    mounts = [_mount(each) for each in many(flags, "--mount")]
    _require_sources(mounts)
    name = one(flags, "--name") or f"c-{uuid.uuid4().hex[:8]}"
    folder = containers() / name
    if folder.exists():
        raise Wrong(125, f'docker: Conflict. The name "/{name}" is already in use')
    (folder / "root" / "root").mkdir(parents=True)
    spec = {
        "id": uuid.uuid4().hex,
        "name": name,
        "image": image,
        "command": command,
        "env": dict(_variable(each) for each in many(flags, "-e", "--env")),
        "labels": dict(_variable(each) for each in many(flags, "-l", "--label")),
        "restart": one(flags, "--restart") or "no",
        "stop_timeout": float(one(flags, "--stop-timeout") or STOP_GRACE),
        "binds": [_bind(each) for each in many(flags, "-v", "--volume")],
        "mounts": mounts,
    }
    (folder / "spec.json").write_text(json.dumps(spec))
    start_up(folder)
    say(spec["id"])
    return 0


def _bind(volume: str) -> tuple[str, str]:
    source, _, rest = volume.partition(":")
    return source, rest.partition(":")[0]


def _mount(words: str) -> tuple[str, str]:
    told = dict(each.partition("=")[::2] for each in words.split(","))
    unknown = set(told) - {"type", "source", "target", "readonly"}
    if told.get("type") != "bind" or unknown:
        raise Wrong(64, f"docker stand-in: unknown mount {words!r}")
    return told["source"], told["target"]


def _require_sources(mounts: Iterable[Sequence[str]]) -> None:
    """Unlike the source of a volume, that of a mount is never made."""
    for source, _ in mounts:
        if not os.path.lexists(source):
            daemon = 'docker: invalid mount config for type "bind"'
            raise Wrong(125, f"{daemon}: bind source path does not exist: {source}")


def _variable(words: str) -> tuple[str, str]:
    name, equals, value = words.partition("=")
    return name, value if equals else os.environ.get(name, "")


def boot(words: list[str]) -> int:
    """The engine came up: containers start again as their policies say."""
    for folder in every():
        (folder / "state.json").unlink(missing_ok=True)
        policy = spec_of(folder)["restart"]
        if policy == "always" or (
            policy == "unless-stopped" and not (folder / "stopped").exists()
        ):
            with contextlib.suppress(Wrong):  # the engine logs it and goes on
                _require_sources(spec_of(folder)["mounts"])
                start_up(folder)
    return 0


def ps(words: list[str]) -> int:
    """Those that run; all with -a; filters by label and name."""
    flags, _ = split(words, {"--filter", "-f", "--format"}, {"-a", "--all", "-q"})
    for folder in every():
        spec, is_up = spec_of(folder), pid_of(folder) is not None
        if not is_up and not {"-a", "--all"} & set(flags):
            continue
        if all(_fits(spec, each) for each in many(flags, "--filter", "-f")):
            line = [spec["id"][:12], spec["image"], "Up" if is_up else "Exited"]
            say(spec["id"][:12] if "-q" in flags else "\t".join([*line, spec["name"]]))
    return 0


def _fits(spec: dict[str, Any], words: str) -> bool:
    key, _, value = words.partition("=")
    labels = spec["labels"]
    if key == "label" and isinstance(labels, dict):
        name, equals, wanted = value.partition("=")
        return name in labels and (not equals or labels[name] == wanted)
    return key == "name" and value in str(spec["name"])


def inspect(words: list[str]) -> int:
    """As JSON; of formats only the state's running and exit code."""
    flags, names = split(words, {"--format", "-f", "--type"}, set())
    shown = []
    for name in names:
        folder = there(name)
        state = state_of(folder)
        is_up = pid_of(folder) is not None
        shown.append(
            {
                "Id": spec_of(folder)["id"],
                "Name": f"/{name}",
                "State": {
                    "Running": is_up,
                    "Status": "running" if is_up else "exited",
                    "ExitCode": state.get("exit_code", 0),
                    "Pid": state.get("pid", 0) if is_up else 0,
                },
                "RestartCount": state.get("restarts", 0),
                "Config": {"Labels": spec_of(folder)["labels"]},
            }
        )
    wanted = one(flags, "--format", "-f")
    if not wanted:
        say(json.dumps(shown, indent=2))
        return 0
    for each in shown:
        value: object = each
        for part in wanted.strip("{} ").lstrip(".").split("."):
            value = value[part] if isinstance(value, dict) else ""
        say(str(value).lower() if isinstance(value, bool) else value)
    return 0


def logs(words: list[str]) -> int:
    """What it wrote; --tail N."""
    flags, (name,) = split(words, {"--tail", "-n"}, {"--timestamps"})
    file = there(name) / "log"
    lines = file.read_bytes().splitlines(keepends=True) if file.exists() else []
    tail = one(flags, "--tail", "-n")
    lines = lines[-int(tail) :] if tail not in ("", "all") else lines
    sys.stdout.buffer.write(b"".join(lines))
    return 0


def start(words: list[str]) -> int:
    """Start one that has ended."""
    _, names = split(words, set(), set())
    for name in names:
        folder = there(name)
        if pid_of(folder) is None:
            _require_sources(spec_of(folder)["mounts"])
            (folder / "state.json").unlink(missing_ok=True)
            start_up(folder)
        say(name)
    return 0


def stop(words: list[str]) -> int:
    """SIGTERM, a while later SIGKILL; it does not start again."""
    flags, names = split(words, {"-t", "--time"}, set())
    grace = one(flags, "-t", "--time")
    for name in names:
        folder = there(name)
        end(folder, float(grace or spec_of(folder).get("stop_timeout", STOP_GRACE)))
        say(name)
    return 0


def rm(words: list[str]) -> int:
    """Forget one; with --force end it first."""
    flags, names = split(words, set(), {"-f", "--force", "-v"})
    for name in names:
        folder = there(name)
        if pid_of(folder) is not None:
            if not {"-f", "--force"} & set(flags):
                raise Wrong(1, f"Error: container {name} is running")
            end(folder, 0.0)
        remove(folder)
        say(name)
    return 0


COMMANDS = {
    "version": version,
    "login": login,
    "pull": pull,
    "image": image,
    "run": run,
    "exec": execute,
    "ps": ps,
    "inspect": inspect,
    "logs": logs,
    "start": start,
    "stop": stop,
    "rm": rm,
    "boot-of-the-vm": boot,
}


def program(words: list[str]) -> int:
    """As a program: refusals are a line and a status."""
    try:
        return main(words)
    except Wrong as wrong:
        sys.stderr.write(f"{wrong}\n")
        return wrong.status
