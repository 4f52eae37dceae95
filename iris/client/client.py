"""The client: a method for each thing that a controller answers."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypeVar

import msgspec

from iris import wire
from iris.client.calls import MOST_ITEMS, Packed, part
from iris.client.jobs import JobCalls
from iris.client.link import Link, Query, Request
from iris.clock import Clock
from iris.domain.access import Grant, Granted, GrantRequest, Role
from iris.domain.costs import CostView
from iris.domain.events import Event
from iris.domain.pages import (
    BundleKept,
    DrainRequest,
    Page,
    SecretValue,
    SecretView,
    TextPage,
)
from iris.domain.views import (
    AutoscalerView,
    ClusterView,
    Health,
    SliceBoot,
    SliceView,
    WorkerView,
)
from iris.errors import NoCluster, NotThere

T = TypeVar("T")

PATIENCE = 300.0  # seconds that a controller may be away
LOG_LOOK = 0.5  # seconds between looks at the controller's own log
_NEVER = threading.Event()
_OF_JOB = ("CONTROLLER_URL", "CONTROLLER_FILE", "JOB_TOKEN")  # variables of a task


class Client(JobCalls):
    """Speaks to one controller; rides out its restarts for `patience` seconds.

    `where` is its URL, or a function that finds it anew after each loss. Every
    method raises what the controller refused with, or Unreachable.
    """

    def __init__(
        self,
        where: str | Callable[[], str],
        token: str,
        patience: float = PATIENCE,
        clock: Clock | None = None,
    ) -> None:
        lookup = where if callable(where) else lambda: where
        self._link = Link(lookup, token, patience, clock)

    @classmethod
    def of_cluster(cls, name: str | None = None) -> Client:
        """The cluster of that name, or the one started last. Raises NoCluster."""
        from iris.client import records

        record = records.load(name) if name else records.last()
        token = records.token(record.cluster)
        # without a provider the address is the one that was seen last
        return cls(lambda: records.load(record.cluster).url, token)

    @classmethod
    def of_job(cls) -> Client:
        """For the job of which this program is a task, and for its children.

        Finds a controller that comes back elsewhere. Raises NoCluster outside of one.
        """
        told = {name: os.environ.get(f"IRIS_{name}", "") for name in _OF_JOB}
        url, token = told["CONTROLLER_URL"], told["JOB_TOKEN"]
        if not url or not token:
            raise NoCluster(
                "this program is no task of a job: it has no IRIS_JOB_TOKEN",
                hint="From outside it is Client.of_cluster().",
            )

        def where() -> str:
            try:
                return Path(told["CONTROLLER_FILE"]).read_text().strip() or url
            except OSError:
                return url

        return cls(where, token)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections."""
        self._link.close()

    # -- the cluster -----------------------------------------------------------------

    def health(self) -> Health:
        """Who answers, and how late its loops are."""
        return self._get("/health", Health)

    def cluster(self) -> ClusterView:
        """The cluster at a glance."""
        return self._get("/v1/cluster", ClusterView)

    def drain_cluster(self, deadline: float | None = None) -> ClusterView:
        """Give every slice back, and make none until `resume_cluster`.

        What runs has its signal, and `deadline` seconds or its job's own grace.
        """
        return self._post("/v1/cluster:drain", ClusterView, DrainRequest(deadline))

    def resume_cluster(self) -> ClusterView:
        """Slices may come again."""
        return self._post("/v1/cluster:resume", ClusterView)

    def autoscaler(self) -> AutoscalerView:
        """What the autoscaler makes of each group, and of who waits."""
        return self._get("/v1/autoscaler", AutoscalerView)

    def events(
        self,
        after: int = 0,
        *,
        job: str | None = None,
        slice_name: str | None = None,
        newest: int | None = None,
        limit: int = MOST_ITEMS,
    ) -> tuple[Event, ...]:
        """Events after a number in their order, or the newest ones."""
        query = {"after": after, "job": job, "slice": slice_name, "limit": limit}
        if newest is not None:
            query |= {"newest": "true", "limit": newest}
        return self._get("/v1/events", Page[Event], query).items

    def costs(self, within: float = 0.0, limit: int = 100) -> CostView:
        """What the last `within` seconds cost by list prices, 0 for all of them."""
        query: Query = {"within": str(within), "limit": limit}
        return self._get("/v1/costs", CostView, query)

    def controller_log(self, lines: int = 200) -> tuple[str, ...]:
        """The last lines of the controller's own log."""
        return self.read_controller_log({"lines": lines}).lines

    def follow_controller_log(
        self, lines: int = 200, since: int | None = None
    ) -> Iterator[str]:
        """The last lines or those behind a cursor, then each as it is written."""
        first = {"lines": lines} if since is None else {"since": since}
        page = self.read_controller_log(first)
        while True:
            yield from page.lines
            if not page.lines:
                self._link.clock.wait(_NEVER, LOG_LOOK)
            page = self.read_controller_log({"since": page.cursor})

    def read_controller_log(self, query: Query) -> TextPage:
        """Its last `lines`, or those `since` a cursor."""
        return self._get("/v1/controller/log", TextPage, query)

    def get(self, path: str) -> Any:
        """What any path of the API answers: JSON, or else text."""
        answer = self._link.answer(Request("GET", "/" + path.lstrip("/")))
        if answer.headers.get("Content-Type", "").startswith("application/json"):
            return msgspec.json.decode(answer.data)
        return answer.data.decode(errors="replace")

    # -- slices, workers, bundles ----------------------------------------------------

    def slices(self) -> tuple[SliceView, ...]:
        """Every slice that is not deleted."""
        return self._get("/v1/slices", Page[SliceView]).items

    def slice_boot(self, name: str) -> SliceBoot:
        """A slice's boot, phase by phase."""
        return self._get(f"/v1/slices/{part(name)}/boot", SliceBoot)

    def confirm_gone(self, name: str) -> SliceView:
        """Vouch that a slice whose deletion is stuck does no work any more."""
        return self._post(f"/v1/slices/{part(name)}:confirm-gone", SliceView)

    def workers(self) -> tuple[WorkerView, ...]:
        """Every worker."""
        return self._get("/v1/workers", Page[WorkerView]).items

    def drain_worker(
        self, worker_uid: str, deadline: float | None = None
    ) -> WorkerView:
        """No new work for a worker's slice; it goes when what runs has ended.

        With `deadline` that has its signal at once, and so many seconds.
        """
        path = f"/v1/workers/{part(worker_uid)}:drain"
        return self._post(path, WorkerView, DrainRequest(deadline))

    def put_secret(self, name: str, value: str) -> SecretView:
        """Keep a secret for all jobs."""
        body = wire.encode(SecretValue(value))
        content = self._link.ask("PUT", f"/v1/secrets/{part(name)}", body=body)
        return wire.decode(content, SecretView)

    def secrets(self) -> tuple[SecretView, ...]:
        """The names of the cluster's secrets."""
        return self._get("/v1/secrets", Page[SecretView]).items

    def delete_secret(self, name: str) -> None:
        """Forget one of the cluster's secrets. Raises NotThere."""
        self._link.ask("DELETE", f"/v1/secrets/{part(name)}")

    def grant(self, user: str, role: Role) -> Granted:
        """Make a token for a person; no other answer shows it."""
        return self._post("/v1/access", Granted, GrantRequest(role, user))

    def grants(self) -> tuple[Grant, ...]:
        """Whose tokens are let in, by their hashes."""
        return self._get("/v1/access", Page[Grant]).items

    def revoke(self, token_hash: str) -> Grant:
        """Let a token in no longer, by 12 digits of its hash or more."""
        return self._post(f"/v1/access/{part(token_hash)}:revoke", Grant)

    def upload_bundle(
        self, bundle: Packed, check: Callable[[], object] | None = None
    ) -> bool:
        """Send a bundle, after a `check`; False, and neither, where it is there."""
        path = f"/v1/bundles/{part(bundle.sha256)}"
        try:
            self._link.ask("HEAD", path)
        except NotThere:
            if check is not None:
                check()
            answer = self._link.answer(Request("PUT", path, file=bundle.path))
            wire.decode(answer.data, BundleKept)
            return True
        return False
