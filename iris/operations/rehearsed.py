"""A production cluster file on this machine's emulator: its record says so for ever.

A rehearsal never takes the place of a real cluster's record, and never speaks to
anything beyond this machine.
"""

from __future__ import annotations

import secrets
from contextlib import suppress

from msgspec.structs import replace

from iris.client import records
from iris.client.records import Record
from iris.clock import RealClock
from iris.config import ClusterConfig
from iris.domain.endpoints import Endpoints, is_loopback
from iris.errors import Conflict, IrisError, UsageError
from iris.operations import rehearsing
from iris.operations.rehearsing import Emulator, Say, Wanted
from iris.session import Session, open_session


def prepare(
    session: Session, say: Say, *, delays: str = "", faults: str = ""
) -> Session:
    """The cluster of a file, on an emulator that runs from here on."""
    require_rehearsable(session)
    planned = rehearsing.load_faults(faults) if faults else []
    project, zones = places(session.config)
    wanted = Wanted(project, zones[0], delays=delays)
    emulator = rehearsing.start(wanted, say)
    for zone in zones[1:]:
        emulator.admin.open_project(project, zone)
    rehearsing.inject(emulator, planned)
    _remember(session, emulator)
    return open_session(session.config_path, clock=session.clock)


def require_rehearsable(session: Session) -> None:
    """Raises UsageError for a file without a cloud, Conflict for a real cluster."""
    if session.config.provider.gcp is None:
        raise UsageError(
            f"{session.config_path} is of provider {session.config.provider.kind}, "
            "which needs no rehearsal",
            hint="Leave --rehearse out; a rehearsal is of a file of Google Cloud.",
        )
    if session.record is not None and not session.record.rehearsal:
        raise Conflict(
            f"cluster {session.cluster!r} of this machine is a real one",
            hint="Rehearse it in a home of its own: `IRIS_HOME=DIR inv ...`.",
        )


def require_wanted(rehearse: bool, delays: str, faults: str) -> None:
    """Raises UsageError for what only a rehearsal can have."""
    if not rehearse and (delays or faults):
        raise UsageError(
            f"{'--delays' if delays else '--faults'} is of a rehearsal only",
            hint="Say --rehearse too; Google Cloud makes its own.",
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
