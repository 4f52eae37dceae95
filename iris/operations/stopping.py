"""Stops a cluster: its slices go back, its controller ends, its state is kept."""

from __future__ import annotations

import threading

import msgspec

from iris.client import Client
from iris.domain.views import SliceView
from iris.errors import FellShort, Late, UsageError
from iris.operations.starting import Say, answering
from iris.operations.workers import read_deadline
from iris.session import Session

LOOK_INTERVAL = 0.2  # seconds between looks at slices that go
_NEVER = threading.Event()


class Stopped(msgspec.Struct, frozen=True):
    """A cluster whose controller is gone; its state is kept."""

    cluster: str
    kept: tuple[str, ...] = ()  # slices that go on without it


def stop(
    session: Session,
    say: Say,
    *,
    keep_slices: bool = False,
    deadline: float | None = None,
    wait: float = 600.0,
) -> Stopped:
    """Give the slices back and end the controller; its state is kept.

    What runs has its signal, and `deadline` seconds or its job's own grace.
    """
    if session.controller_machine() is None:
        return _stopped_already(session, say)
    kept: tuple[str, ...] = ()
    with answering(session) as client:
        if keep_slices:
            kept = tuple(each.name for each in client.slices())
            say(_what_they_cost(kept))
        else:
            client.drain_cluster(deadline)
            _wait_until_gone(session, client, say, wait + (deadline or 0.0))
    session.provider.delete_controller()
    session.close_tunnel()
    say(f"the controller of cluster {session.cluster} is stopped; its state is kept")
    return Stopped(session.cluster, kept)


def deadline_of(words: str | None, *, keep_slices: bool) -> float | None:
    """How long what runs has, None for its job's own grace. Raises UsageError."""
    if words is None:
        return None
    if keep_slices:
        raise UsageError(
            f"--deadline {words}: with --keep-slices nothing is asked to end",
            hint="Leave one of the two out.",
        )
    return read_deadline(words)


def plan_stop(session: Session, *, keep_slices: bool = False) -> tuple[str, ...]:
    """What `stop` would do."""
    if session.controller_machine() is None:
        return ("leave it alone: it has no controller",)
    with answering(session) as client:
        slices = client.slices()
    if keep_slices:
        steps = [_what_they_cost(tuple(each.name for each in slices))]
    else:
        steps = [
            f"drain and delete slice {each.name}: {_load(each)}" for each in slices
        ]
    return (*steps, "stop the controller, keep its state")


def _stopped_already(session: Session, say: Say) -> Stopped:
    left = tuple(each.name for each in session.provider.list_slices().slices)
    if left:
        raise FellShort(
            f"cluster {session.cluster!r} has no controller, but slices: "
            f"{', '.join(left)}",
            hint="`inv cluster.start` takes them up again, `inv cleanup` deletes them.",
        )
    say(f"cluster {session.cluster} is stopped already")
    return Stopped(session.cluster)


def _wait_until_gone(session: Session, client: Client, say: Say, wait: float) -> None:
    until, told = session.clock.now() + wait, ""
    while slices := client.slices():
        words = "; ".join(f"{each.name} is {each.state}" for each in slices)
        if words != told:
            say(f"waiting for {len(slices)} slices: {words}")
            told = words
        if session.clock.now() >= until:
            raise Late(
                f"slices are left after {wait:.0f} s: {words}",
                hint="`inv probe.list-slices` says what each waits for.",
            )
        session.clock.wait(_NEVER, LOOK_INTERVAL)


def _what_they_cost(kept: tuple[str, ...]) -> str:
    if not kept:
        return "keep no slices: there are none"
    return (
        f"keep {len(kept)} slices, which go on without a controller and are paid for "
        f"until `inv cluster.start` or `inv cleanup`: {', '.join(kept)}"
    )


def _load(each: SliceView) -> str:
    return f"{each.state}, {each.live_attempts} attempts are stopped and wait"
