"""Is there a controller of this cluster's name, and where?"""

from __future__ import annotations

from enum import StrEnum

import msgspec

from iris.client import Client
from iris.errors import (
    CloudError,
    IrisError,
    NotAllowed,
    NotAuthenticated,
    NotPermitted,
)
from iris.probes._patiently import patiently
from iris.providers.contract import ControllerMachine, Phase
from iris.session import Session


class Verdict(StrEnum):
    """The one answer, and four that are not it."""

    FOUND = "found"
    NONE = "none"
    SEVERAL = "several"
    NOT_PERMITTED = "not-permitted"
    UNREACHABLE = "unreachable"


class Discovery(msgspec.Struct, frozen=True):
    """What the cloud lists under the cluster's name, and whether it answers."""

    cluster: str
    verdict: Verdict
    words: str
    hint: str = ""
    controllers: tuple[ControllerMachine, ...] = ()
    url: str = ""  # where it answers from here

    @property
    def is_well(self) -> bool:
        """Is there one, and does it answer?"""
        return self.verdict is Verdict.FOUND


def ask(session: Session) -> Discovery:
    """Asks the cloud first, then whoever it lists."""
    cluster = session.cluster
    try:
        found = patiently(session.clock, session.provider.list_controllers)
    except NotPermitted as error:
        words = f"the cloud does not let us look: {error.message}"
        return Discovery(cluster, Verdict.NOT_PERMITTED, words, error.hint)
    except CloudError as error:
        words = f"the cloud does not answer: {error.message}"
        return Discovery(cluster, Verdict.UNREACHABLE, words, error.hint)
    if not found:
        hint = "`inv cluster.start` makes one."
        return Discovery(cluster, Verdict.NONE, "there is no controller", hint)
    if len(found) > 1:
        words = f"{len(found)} controllers bear the name {cluster!r}"
        hint = "Their uids tell them apart: `inv cleanup --uid UID` deletes one."
        return Discovery(cluster, Verdict.SEVERAL, words, hint, found)
    return _asked(session, found[0])


def _asked(session: Session, machine: ControllerMachine) -> Discovery:
    one = Discovery(session.cluster, Verdict.UNREACHABLE, "", "", (machine,))
    if machine.phase is Phase.STOPPED or not machine.address:
        return msgspec.structs.replace(
            one,
            words=f"the controller {machine.name} is {machine.phase}",
            hint="`inv cluster.restart` starts it again; nothing is lost.",
        )
    try:
        url = patiently(session.clock, lambda: session.reach.url(machine))
        with Client(url, "", patience=2.0) as client:
            uid = client.health().cluster_uid
    except IrisError as error:
        denied = isinstance(error, NotAllowed | NotAuthenticated)
        return msgspec.structs.replace(
            one,
            verdict=Verdict.NOT_PERMITTED if denied else Verdict.UNREACHABLE,
            words=error.message,
            hint=error.hint,
        )
    words = f"the controller {machine.name} ({uid}) answers at {url}"
    return msgspec.structs.replace(one, verdict=Verdict.FOUND, words=words, url=url)
