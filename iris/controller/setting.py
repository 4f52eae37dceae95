"""What the controller's program is told by its words: folders, files, an address."""

from __future__ import annotations

import argparse
import logging
import sys
import time
from logging.handlers import RotatingFileHandler
from pathlib import Path

import msgspec

from iris.errors import StoreFailed
from iris.paths import machine_path

LOOPBACK = "127.0.0.1"  # what provider `local` implies
MARK = "iris-uid"  # the file by which bootstrap/controller.sh marks a state disk
MOST_LOG_BYTES = 64 << 20  # then the log begins anew; the former one is kept


class Setting(msgspec.Struct, frozen=True):
    """Where a controller finds what it needs, and where it listens."""

    machine: Path
    state: Path
    config: Path
    log: Path
    listen: str
    marked: bool = False  # the state lies on a disk of its own, which bears our uid


def read_setting(words: list[str] | None) -> Setting:
    """From the words of the command line, under IRIS_ROOT where that is set."""
    parser = argparse.ArgumentParser(
        prog="python -m iris.controller", description="Run one cluster's controller."
    )
    parser.add_argument("--machine", type=Path, required=True)
    parser.add_argument("--state", type=Path, required=True)
    parser.add_argument("--config", type=Path, help="default: MACHINE/config.yaml")
    parser.add_argument("--log", type=Path, help="write it here too, bounded")
    parser.add_argument(
        "--marked",
        action="store_true",
        help=f"start only where {MARK} of the state says this cluster's uid",
    )
    parser.add_argument("--listen", default=LOOPBACK, help="an address of the machine")
    given = parser.parse_args(words)
    machine = machine_path(given.machine.absolute())
    log = machine_path(given.log.absolute()) if given.log else None
    _log_to(log)
    return Setting(
        machine=machine,
        state=machine_path(given.state.absolute()),
        config=machine_path((given.config or given.machine / "config.yaml").absolute()),
        log=log or machine / "controller.log",  # where whoever starts us puts stderr
        listen=given.listen,
        marked=given.marked,
    )


def require_own_state(setting: Setting, cluster_uid: str) -> None:
    """Raise StoreFailed where the state's disk is not mounted, or is another's.

    An empty folder in its place would be a cluster without slices: all that the
    cloud lists would be orphans.
    """
    if not setting.marked:
        return
    mark = setting.state / MARK
    try:
        uid = mark.read_text().strip()
    except OSError as error:
        raise StoreFailed(
            f"{mark}: {error.strerror}: the state disk is not mounted",
            hint="The boot script mounts it and starts the controller anew.",
        ) from error
    if uid != cluster_uid:
        raise StoreFailed(f"{mark}: the state is of cluster uid {uid!r}")


def _log_to(file: Path | None) -> None:
    formatter = logging.Formatter(
        "{asctime}.{msecs:03.0f}Z {levelname} {message}", "%Y-%m-%dT%H:%M:%S", "{"
    )
    formatter.converter = time.gmtime
    places: list[logging.Handler] = [logging.StreamHandler(sys.stderr)]
    if file is not None:
        kept = RotatingFileHandler(file, maxBytes=MOST_LOG_BYTES, backupCount=1)
        places.append(kept)
    for place in places:
        place.setFormatter(formatter)
    logging.basicConfig(level=logging.INFO, handlers=places, force=True)
