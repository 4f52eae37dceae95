"""A production cluster file on this machine's emulator: its record says so for ever.

A rehearsal never takes the place of a real cluster's record, and never speaks to
anything beyond this machine.
"""

from __future__ import annotations

import secrets
from contextlib import suppress

import msgspec
from msgspec.structs import replace

from iris.client import records
from iris.client.records import Record
from iris.clock import RealClock
from iris.config import ClusterConfig
from iris.config.model import Runtime
from iris.domain.endpoints import Endpoints, is_loopback
from iris.errors import Conflict, IrisError, UsageError
from iris.images.engine import Engine
from iris.images.registry import LocalRegistry
from iris.images.vm import ensure_vm_image
from iris.operations import rehearsal_faults, rehearsal_home, rehearsing
from iris.operations.rehearsing import VMS, Emulator, Say, Wanted
from iris.session import Session, open_session


class Circumstances(msgspec.Struct, frozen=True):
    """How a rehearsal differs from one where nothing is said."""

    delays: str = ""  # none, google
    faults: str = ""  # a file
    vms: str = ""  # process, docker


def prepare(session: Session, say: Say, given: Circumstances) -> Session:
    """The cluster of a file, on an emulator that runs from here on."""
    require_rehearsable(session, given.vms)
    planned = rehearsal_faults.load_faults(given.faults) if given.faults else []
    project, zones = places(session.config)
    wanted = Wanted(project, zones[0], delays=given.delays, vms=given.vms)
    emulator = start_emulator(wanted, say)
    for zone in zones[1:]:
        emulator.admin.open_project(project, zone)
    rehearsal_faults.inject(emulator, planned)
    _remember(session, emulator)
    if emulator.registry:
        _push_images(session, emulator, say)
    return open_session(session.config_path, clock=session.clock)


def start_emulator(wanted: Wanted, say: Say) -> Emulator:
    """The emulator of this home; where VMs are containers, with what they boot from."""
    require_vms(wanted.vms)
    if wanted.vms == "docker":
        ensure_vm_image(Engine(), say)
    return rehearsing.start(wanted, say)


def require_vms(vms: str) -> None:
    """Raises UsageError for VMs of no kind, NoEngine for those not to be had here."""
    if vms not in ("", *VMS):
        raise UsageError(f"--vms: expected {' or '.join(VMS)}, got {vms!r}")
    if vms == "docker":
        Engine().require()
        LocalRegistry.program()


def require_rehearsable(session: Session, vms: str = "") -> None:
    """Raises UsageError for a file without a cloud, Conflict for a real cluster."""
    if session.config.provider.gcp is None:
        raise UsageError(
            f"{session.config_path} is of provider {session.config.provider.kind}, "
            "which needs no rehearsal",
            hint="Leave --rehearse out; a rehearsal is of a file of Google Cloud.",
        )
    running = rehearsing.find()
    require_engines(session, vms or (running.vms if running else ""))
    if session.record is not None and not session.record.rehearsal:
        raise Conflict(
            f"cluster {session.cluster!r} of this machine is a real one",
            hint="Rehearse it in a home of its own: `IRIS_HOME=DIR inv ...`.",
        )


def require_wanted(rehearse: bool, given: Circumstances) -> None:
    """Raises UsageError for what only a rehearsal can have."""
    named = [name for name in given.__struct_fields__ if getattr(given, name)]
    if named and not rehearse:
        raise UsageError(
            f"--{named[0]} is of a rehearsal only",
            hint="Say --rehearse too; Google Cloud has its own.",
        )


def require_engines(session: Session, vms: str) -> None:
    """Raises UsageError where attempts are containers, and VMs have no engine."""
    if session.config.worker.runtime is Runtime.DOCKER and vms != "docker":
        raise UsageError(
            f"{session.config_path}: worker/runtime: docker wants VMs with an engine, "
            f"and those of this rehearsal are of kind {vms or VMS[0]}",
            hint="Rehearse it with `--vms docker`.",
        )


def places(config: ClusterConfig) -> tuple[str, tuple[str, ...]]:
    """The project, and every zone that a file names, the controller's first."""
    cloud = config.provider.gcp
    if cloud is None:
        return "", ("",)
    named = [zone for group in config.groups() for zone in group.zones]
    return cloud.project, tuple(dict.fromkeys([cloud.zone, *named]))


def endpoints_of(emulator: Emulator) -> Endpoints:
    """Every service of the cloud, at the emulator."""
    base = emulator.base_url.rstrip("/")
    if not is_loopback(base):
        raise UsageError(f"an emulator on this machine is expected, not at {base}")
    return Endpoints(compute_url=base, tpu_url=base, projects_url=base)


def forget_rehearsals(say: Say) -> None:
    """No record of a rehearsal outlives the emulator."""
    for record in records.list_records():
        if record.rehearsal:
            say(f"cluster {record.cluster} went with the emulator")
            close_tunnel(record.cluster)
            records.forget(record.cluster)


def close_tunnel(cluster: str) -> None:
    """End the tunnel that the commands of a cluster share, if there is one."""
    from iris.remote.tunnel import Tunnel

    with suppress(IrisError):
        Tunnel(records.record_folder(cluster), RealClock()).stop()


def end_abandoned(say: Say) -> int:
    """End all that rehearsals which were killed have left; how many that were."""

    def end() -> None:
        for record in records.list_records():
            close_tunnel(record.cluster)
        rehearsing.stop(lambda _: None)

    count = rehearsal_home.end_abandoned(end)
    if count:
        noun = "a rehearsal that was" if count == 1 else f"{count} rehearsals that were"
        say(f"ended all that {noun} killed had left")
    return count


def _push_images(session: Session, emulator: Emulator, say: Say) -> None:
    """Both images of the file, in the registry that the VMs pull from."""
    from iris.operations import images, pushing

    built = images.build(session, say)
    pushing.push_to(session, built, say, registry=emulator.registry)


def _remember(session: Session, emulator: Emulator) -> None:
    uid = f"c{secrets.token_hex(6)}"
    fresh = Record(session.cluster, uid, session.config_path)
    record = replace(
        session.record or fresh,
        config_path=session.config_path,
        rehearsal=True,
        endpoints=endpoints_of(emulator),
        proxy_command=emulator.proxy_command,
    )
    records.save(record, config_text=session.config_text)
