"""Starts, stops, restarts a cluster and says how it stands."""

from __future__ import annotations

import msgspec

from iris.client import Client, records
from iris.client.records import Record
from iris.config import differences, parse_config
from iris.domain.states import JobState, SliceState, TaskState, WorkerState
from iris.domain.views import AutoscalerView, ClusterView, Health
from iris.errors import (
    AlreadyExists,
    BadClusterFile,
    FileDiffers,
    NoCluster,
)
from iris.operations.booting import only_controller
from iris.operations.running_images import disagreements, images_of, tell_images
from iris.operations.starting import (
    PATIENCE,
    SHOW_UP_PATIENCE,
    Say,
    answering,
    create_controller,
    default_wait,
    log_length,
    operator_token,
    remember_intent,
    wait_for_controller,
)
from iris.operations.stopping import Stopped, deadline_of, plan_stop, stop
from iris.providers.contract import Phase
from iris.session import Session

__all__ = [
    "ClusterPlan",
    "Started",
    "Status",
    "Stopped",
    "deadline_of",
    "plan",
    "plan_restart",
    "plan_start",
    "plan_stop",
    "restart",
    "start",
    "status",
    "stop",
]


class Started(msgspec.Struct, frozen=True):
    """A cluster that answers, and how to speak to it."""

    cluster: str
    uid: str
    url: str
    token_file: str
    config_path: str
    version: str
    ran_already: bool = False


class Status(msgspec.Struct, frozen=True):
    """How a cluster stands, and how to speak to it."""

    cluster: str
    uid: str
    url: str
    token_file: str
    version: str
    provider: str
    started_at: float
    draining: str
    jobs: dict[JobState, int]
    tasks: dict[TaskState, int]
    slices: dict[SliceState, int]
    workers: dict[WorkerState, int]
    images: dict[str, str] = {}  # controller and worker, as the cluster runs them
    notes: tuple[str, ...] = ()  # where that is not what the lock says


class ClusterPlan(msgspec.Struct, frozen=True):
    """What differs between the cluster file and what runs, and what comes next."""

    cluster: str
    is_running: bool
    changes: tuple[str, ...]
    steps: tuple[str, ...]
    autoscaler: AutoscalerView | None = None


# -- start ---------------------------------------------------------------------------


def start(
    session: Session, say: Say, *, wait: float | None = None, adopt: str = ""
) -> Started:
    """Boot the cluster, or find the one that runs. Raises FileDiffers, Late.

    A state disk under another uid is taken over only where `adopt` names it.
    """
    until = _until(session, wait)
    if _is_running(session):
        return _find(session, say, until)
    remember_intent(session, adopt)
    if adopt:
        session = session.as_remembered()
    log_from = log_length(session)
    say(f"starting the controller of cluster {session.cluster}")
    tell_images(session, say)
    try:
        create_controller(session, adopt)
    except AlreadyExists as error:
        say(str(error))
        return _find(session, say, until)
    url, health = wait_for_controller(session, until, log_from=log_from, say=say)
    started = _remember(session, url, health, session.config_text)
    with _client(session, url) as client:
        _resume(session, client, say)
    say(f"cluster {started.cluster} is up at {url}")
    return started


def plan_start(session: Session) -> tuple[str, ...]:
    """What `start` would do."""
    if _is_running(session):
        return ("leave it alone: its controller runs",)
    steps = [f"start the controller of cluster {session.cluster}"]
    steps += [
        f"create {group.min_slices} slices of {group.name}"
        for group in session.config.groups()
        if group.min_slices
    ]
    return tuple(steps)


def _find(session: Session, say: Say, until: float) -> Started:
    url, health = wait_for_controller(
        session,
        until,
        log_from=log_length(session),
        patience=SHOW_UP_PATIENCE,
        say=say,
    )
    with _client(session, url) as client:
        running = client.cluster()
        started = _remember(session, url, health, running.config_text)
        _require_same_file(session, running)
        _resume(session, client, say)
    say(f"cluster {started.cluster} runs already at {url}")
    return msgspec.structs.replace(started, ran_already=True)


def _require_same_file(session: Session, running: ClusterView) -> None:
    changes = _changes(session, running)
    if changes:
        raise FileDiffers(
            f"cluster {session.cluster!r} runs another version of "
            f"{session.config_path}: {'; '.join(changes)}",
            hint=f"Apply it: `inv cluster.restart --config {session.config_path}`.",
        )


def _changes(session: Session, running: ClusterView) -> tuple[str, ...]:
    if running.config_text == session.config_text:
        return ()
    try:
        return differences(parse_config(running.config_text), session.config)
    except BadClusterFile as error:
        return (f"this version of Iris does not read the file that runs: {error}",)


def _resume(session: Session, client: Client, say: Say) -> None:
    if client.cluster().draining:
        client.resume_cluster()
        say(f"cluster {session.cluster} was being stopped; slices may come again")


def _remember(session: Session, url: str, health: Health, config_text: str) -> Started:
    fresh = Record(
        cluster=session.cluster,
        cluster_uid=health.cluster_uid,
        config_path=session.config_path,
        started_at=session.clock.now(),
    )
    record = msgspec.structs.replace(
        records.find(session.cluster) or fresh,
        cluster_uid=health.cluster_uid,
        config_path=session.config_path,
        url=url,
    )
    token = operator_token(session)
    records.save(record, config_text=config_text, token=token)
    return Started(
        cluster=session.cluster,
        uid=health.cluster_uid,
        url=url,
        token_file=str(records.token_file(session.cluster)),
        config_path=session.config_path,
        version=health.version,
    )


# -- restart -------------------------------------------------------------------------


def restart(session: Session, say: Say, *, wait: float | None = None) -> Started:
    """End the controller and start it on its state; slices and attempts go on."""
    _require_existing(session)
    until = _until(session, wait)
    remember_intent(session)
    say(f"stopping the controller of cluster {session.cluster}")
    session.provider.delete_controller()
    log_from = log_length(session)
    say("starting it again on its state")
    tell_images(session, say)
    create_controller(session)
    url, health = wait_for_controller(session, until, log_from=log_from, say=say)
    say(f"cluster {session.cluster} is up at {url}")
    return _remember(session, url, health, session.config_text)


def plan_restart(session: Session) -> tuple[str, ...]:
    """What `restart` would do."""
    _require_existing(session)
    changes = plan(session).changes if _is_running(session) else ()
    return (
        "stop the controller; slices and attempts go on",
        *(f"change {change}" for change in changes),
        "start it again on its state",
    )


def _require_existing(session: Session) -> None:
    kinds = {left.kind for left in session.provider.list_leftovers()}
    if not kinds & {"controller", "disk"}:
        raise NoCluster(
            f"there is no cluster {session.cluster!r} to restart",
            hint=f"Start it: `inv cluster.start --config {session.config_path}`.",
        )


# -- status and plan -----------------------------------------------------------------


def status(session: Session) -> Status:
    """How the cluster stands. Raises NoCluster, Unreachable."""
    with answering(session) as client:
        view = client.cluster()
    return Status(
        cluster=view.name,
        uid=view.uid,
        url=session.controller_url(),
        token_file=str(records.token_file(session.cluster)),
        version=view.version,
        provider=session.config.provider.kind,
        started_at=view.started_at,
        draining=view.draining,
        jobs=view.jobs,
        tasks=view.tasks,
        slices=view.slices,
        workers=view.workers,
        images=images_of(view.config_text),
        notes=(*view.worries(), *disagreements(session, view.config_text)),
    )


def plan(session: Session) -> ClusterPlan:
    """What the cluster file would change, and what the autoscaler is about to do."""
    if not _is_running(session):
        return ClusterPlan(session.cluster, False, (), plan_start(session))
    with answering(session) as client:
        changes = _changes(session, client.cluster())
        autoscaler = client.autoscaler()
    command = f"`inv cluster.restart --config {session.config_path}` applies it"
    return ClusterPlan(
        cluster=session.cluster,
        is_running=True,
        changes=changes,
        steps=(command,) if changes else (),
        autoscaler=autoscaler,
    )


def _until(session: Session, wait: float | None) -> float:
    return session.clock.now() + (default_wait(session) if wait is None else wait)


def _is_running(session: Session) -> bool:
    machine = only_controller(session)
    return machine is not None and machine.phase is not Phase.STOPPED


def _client(session: Session, url: str) -> Client:
    return Client(url, operator_token(session), patience=PATIENCE)
