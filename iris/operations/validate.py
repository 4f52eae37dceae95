"""Proves that a cluster does what it is for: four phases, each timed."""

from __future__ import annotations

import threading
from collections.abc import Callable

import msgspec

from iris.client import Client
from iris.domain.accelerators import find_accelerator
from iris.domain.jobs import Constraints, JobSpec
from iris.domain.resources import Resources
from iris.domain.states import JobState
from iris.domain.views import JobView, SliceView
from iris.errors import FellShort, JobRefused, Late, NotThere
from iris.paths import examples_folder
from iris.session import Session

Say = Callable[[str], None]

RUN_DEADLINE = 120.0  # seconds from the start of a job's tasks to its end
LOOK = 0.05  # seconds between looks at a job
GONE_DEADLINE = 300.0  # seconds for our slices to go
NUMBERS = ("3", "4", "12")
_NEVER = threading.Event()


class Proof(msgspec.Struct, frozen=True):
    """One phase: what it was to show, whether it did, and how long it took."""

    phase: str
    ok: bool
    seconds: float
    waited: float  # of those, for a slice; that time is the cloud's
    said: str


class Validation(msgspec.Struct, frozen=True):
    """All phases."""

    cluster: str
    tpu_type: str
    ok: bool
    proofs: tuple[Proof, ...]


def validate(session: Session, tpu_type: str, say: Say) -> Validation:
    """Run every phase; our jobs and slices are gone afterwards."""
    tpu_type = tpu_type or _largest_type(session)
    with session.controller() as client:
        stage = _Stage(session, client, tpu_type)
        before = {each.name for each in client.slices()}
        proofs = []
        try:
            for name, phase in _PHASES.items():
                say(f"{name} ...")
                proofs.append(stage.prove(name, phase))
                say(_line(proofs[-1]))
        finally:
            stage.cancel_all()
        say("slices made for this are given back ...")
        proofs.append(stage.give_back(before))
        say(_line(proofs[-1]))
    ok = all(proof.ok for proof in proofs)
    return Validation(session.cluster, tpu_type, ok, tuple(proofs))


def require_proven(found: Validation) -> None:
    """Raises FellShort unless every phase did what it was to show."""
    short = [proof for proof in found.proofs if not proof.ok]
    if short:
        raise FellShort(
            f"cluster {found.cluster} fell short: "
            + "; ".join(f"{proof.phase}: {proof.said}" for proof in short),
            hint="`inv probe.events` says what happened.",
        )


def describe(found: Validation) -> str:
    """The verdict in one line; the phases were told as they came."""
    verdict = "does what it is for" if found.ok else "fell short"
    return f"cluster {found.cluster} {verdict} on {found.tpu_type}"


def _line(proof: Proof) -> str:
    ok = "ok" if proof.ok else "FELL SHORT"
    waited = f", {proof.waited:.1f}s of them for a slice" if proof.waited > 1 else ""
    return f"  {ok} in {proof.seconds:.1f}s{waited}: {proof.said}"


def _largest_type(session: Session) -> str:
    """The accelerator of the file with the most VMs that `validate` may fill."""
    groups = [group for group in session.config.groups() if group.accelerator]
    if not groups:
        raise NotThere(
            "the cluster file has no scale group with an accelerator to prove",
            hint="Name one with --tpu-type once there is.",
        )
    return max(groups, key=lambda group: group.vms).accelerator


class _Stage:
    """What the phases share: the client, the clock, and which jobs are ours."""

    def __init__(self, session: Session, client: Client, tpu_type: str) -> None:
        self.tpu = find_accelerator(tpu_type)
        self._session = session
        self._clock = session.clock
        self._client = client
        self._jobs: list[str] = []
        self._waited = 0.0

    def prove(self, name: str, phase: Callable[[_Stage], str]) -> Proof:
        """Run one phase; what it raises is what it fell short of."""
        began, self._waited = self._clock.now(), 0.0
        try:
            said, ok = phase(self), True
        except (FellShort, Late, JobRefused) as error:
            said, ok = error.message, False
        seconds = self._clock.now() - began
        return Proof(name, ok, round(seconds, 3), round(self._waited, 3), said)

    def plain(self, name: str, *command: str) -> JobSpec:
        """A job of one task, on a plain VM if there are any, else on one TPU VM."""
        groups = self._session.config.groups()
        if any(not group.accelerator for group in groups):
            return JobSpec(command, name, resources=Resources(cpus=1.0))
        single = next((g for g in groups if g.vms == 1), None)
        if single is None:
            return self.on_slice(name, *command)
        resources = Resources(chips=single.resources.chips)
        constraints = Constraints(accelerator=single.accelerator)
        return JobSpec(command, name, resources=resources, constraints=constraints)

    def on_slice(self, name: str, *command: str) -> JobSpec:
        """A job that fills a slice of the type to be proven."""
        return JobSpec(
            command,
            name,
            tasks=self.tpu.vms,
            gang=self.tpu.vms > 1,
            resources=Resources(chips=self.tpu.vm.chips),
            constraints=Constraints(accelerator=self.tpu.type),
        )

    def submit(self, spec: JobSpec) -> JobView:
        job = self._client.submit(spec)
        self._jobs.append(job.name)
        return job

    def finish(self, job: JobView) -> str:
        """Its output, once it has succeeded. Raises FellShort, Late."""
        began, running_at = self._clock.now(), 0.0
        while not (view := self._client.job(job.name)).ended_at:
            now = self._clock.now()
            if view.state is JobState.RUNNING and not running_at:
                running_at = now
                self._waited = max(self._waited, now - began)
            if running_at and now - running_at > RUN_DEADLINE:
                raise Late(f"job {job.name} runs for more than {RUN_DEADLINE:.0f} s")
            if not running_at and now - began > self._boot_deadline():
                raise Late(f"job {job.name} found no slice: {view.because}")
            self._clock.wait(_NEVER, LOOK)
        if view.state is not JobState.SUCCEEDED:
            raise FellShort(f"job {job.name} {view.state}: {view.because}")
        pieces = [piece.data for piece in self._client.follow_log(job.name)]
        return b"".join(pieces).decode(errors="replace")

    def _boot_deadline(self) -> float:
        groups = self._session.config.groups()
        return max(group.create_timeout + group.boot_timeout for group in groups)

    def cancel_all(self) -> None:
        """Nothing of ours goes on."""
        for name in self._jobs:
            view = self._client.job(name)
            if not view.ended_at:
                self._client.cancel(name, "the validation is over")

    def give_back(self, before: set[str]) -> Proof:
        """The slices that came because of us go, unless others work on them."""
        began, told = self._clock.now(), 0
        while ours := [s for s in self._client.slices() if _is_ours(s, before)]:
            drained = {s.name for s in ours if s.state == "ready"}
            for worker in self._client.workers():
                if worker.slice_name in drained and not worker.draining:
                    drained.discard(worker.slice_name)
                    self._client.drain_worker(worker.uid)
                    told += 1
            if self._clock.now() - began > GONE_DEADLINE:
                names = ", ".join(each.name for each in ours)
                seconds = self._clock.now() - began
                return Proof("gone", False, seconds, 0.0, f"still there: {names}")
            self._clock.wait(_NEVER, LOOK)
        seconds = round(self._clock.now() - began, 3)
        return Proof("gone", True, seconds, 0.0, f"{told} slices given back")


def _is_ours(each: SliceView, before: set[str]) -> bool:
    return each.name not in before and not each.live_attempts


def _program(name: str) -> tuple[str, str, str]:
    program = examples_folder() / "jobs" / "validate" / f"{name}.py"
    return ("python", "-c", program.read_text())


def _one_vm(stage: _Stage) -> str:
    said = stage.finish(stage.submit(stage.plain("validate-vm", "echo", "here")))
    if said.strip() != "here":
        raise FellShort(f"expected 'here', got {said!r}")
    return "a job ran on one VM, its output came back"


def _computation(stage: _Stage) -> str:
    words = (*_program("compute"), *NUMBERS)
    said = stage.finish(stage.submit(stage.plain("validate-compute", *words)))
    expected = f"sum of squares {sum(int(number) ** 2 for number in NUMBERS)}"
    if said.strip() != expected:
        raise FellShort(f"expected {expected!r}, got {said!r}")
    return expected


def _gang(stage: _Stage) -> str:
    if stage.tpu.vms == 1:
        stage.finish(stage.submit(stage.on_slice("validate-slice", "true")))
        return f"{stage.tpu.type} has one VM; a job ran on it"
    job = stage.submit(stage.on_slice("validate-gang", *_program("gang")))
    lines = stage.finish(job).splitlines()
    everybody = list(range(stage.tpu.vms))
    for index in everybody:
        if f"task {index} met {everybody}" not in lines:
            raise FellShort(f"task {index} did not meet all of {everybody}: {lines}")
    summed = [line for line in lines if " psum " in line]
    for line in summed:
        total, _, devices = line.partition(" psum ")[2].partition(" of ")
        if total != devices:
            raise FellShort(f"a psum over {devices} devices gave {total}")
    jax = "a psum over all of them agreed" if summed else "no JAX there"
    return f"{stage.tpu.vms} VMs met at one time; {jax}"


def _two_jobs(stage: _Stage) -> str:
    specs = [stage.on_slice(f"validate-{name}", "true") for name in ("one", "two")]
    jobs = [stage.submit(spec) for spec in specs]
    for job in jobs:
        stage.finish(job)
    return "two jobs wanted the same slice, both finished"


_PHASES: dict[str, Callable[[_Stage], str]] = {
    "one VM": _one_vm,
    "computation": _computation,
    "gang": _gang,
    "two jobs": _two_jobs,
}
