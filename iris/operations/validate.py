"""Runs real work over every VM of a slice and compares the results.

What it made is gone afterwards: its jobs have ended, its slices are given back.
"""

from __future__ import annotations

import shutil
import tempfile
import threading
from collections.abc import Callable
from pathlib import Path

import msgspec

from iris import validation
from iris.bundles import pack
from iris.client import Client
from iris.domain.states import (
    JOB_ENDED,
    SLICE_COMING,
    JobState,
    SliceState,
    TaskState,
)
from iris.domain.views import JobView, SliceView
from iris.errors import FellShort, Late
from iris.operations.validation_phases import (
    Finding,
    Lines,
    Phase,
    Shape,
    choose_shape,
    join_output,
    judge,
    list_phases,
)
from iris.session import Session

Say = Callable[[str], None]

LOOK = 0.1  # seconds between looks at jobs and slices
SPARE = 60.0  # seconds beyond a group's own deadlines
MEMBER = Path(validation.__file__).with_name("member.py")
_NEVER = threading.Event()
_STAYING = SLICE_COMING | {SliceState.READY}


class PhaseResult(msgspec.Struct, frozen=True):
    """What became of one phase; a slice's boot is waiting, not running."""

    name: str
    claim: str
    outcome: str  # ok, fell short, skipped
    waited_seconds: float
    ran_seconds: float
    detail: str


class Validated(msgspec.Struct, frozen=True):
    """Whether a cluster does what it should."""

    cluster: str
    tpu_type: str
    is_sound: bool
    seconds: float
    phases: tuple[PhaseResult, ...]
    left: tuple[str, ...] = ()  # slices of ours that did not go in time


def plan_validate(session: Session, tpu_type: str = "") -> tuple[str, ...]:
    """What `validate` would run."""
    phases = list_phases(choose_shape(session.config.groups(), tpu_type))
    steps = [f"run {_size(each)}, to see that {each.claim}" for each in phases]
    return (*steps, "give back the slices that came for it")


def validate(
    session: Session, say: Say, tpu_type: str = "", wait: float = 0.0
) -> Validated:
    """Run all phases; a slice may take `wait` seconds to come, or as its group says."""
    began = session.clock.now()
    shape = choose_shape(session.config.groups(), tpu_type)
    with session.controller() as client:
        run = _Run(session, client, say, shape, wait)
        try:
            results = run.phases()
        finally:
            run.end_jobs()
            left = run.give_back()
    return Validated(
        cluster=session.cluster,
        tpu_type=shape.whole.accelerator,
        is_sound=not left and all(each.outcome != "fell short" for each in results),
        seconds=session.clock.now() - began,
        phases=results,
        left=left,
    )


def require_sound(validated: Validated) -> None:
    """Raise FellShort where anything did."""
    short = [each for each in validated.phases if each.outcome == "fell short"]
    faults = [f"{each.name}: {each.detail}" for each in short]
    faults += [f"slice {name} is not gone" for name in validated.left]
    if not validated.is_sound:
        raise FellShort(
            f"cluster {validated.cluster!r} fell short: {'; '.join(faults)}",
            hint="`inv probe.events` shows what happened, `inv job.list` its jobs.",
        )


class _Run:
    """One validation under way."""

    def __init__(
        self, session: Session, client: Client, say: Say, shape: Shape, wait: float
    ) -> None:
        self._clock = session.clock
        self._client = client
        self._say = say
        self._shape = shape
        self._groups = {group.name: group for group in (shape.whole, shape.single)}
        slowest = max(g.create_timeout + g.boot_timeout for g in self._groups.values())
        self._wait = wait or slowest + SPARE
        self._found = frozenset(each.name for each in client.slices())
        self._jobs: list[str] = []  # uids
        self._drained: set[str] = set()

    def phases(self) -> tuple[PhaseResult, ...]:
        """Every phase in turn; once no slice comes, the others are not tried."""
        bundle = self._upload()
        results: list[PhaseResult] = []
        for phase in list_phases(self._shape, bundle):
            try:
                result = self._phase(phase)
            except Late as error:
                results.append(_short(phase, str(error)))
                break
            results.append(result)
            self._say(f"{phase.name}: {result.outcome}: {result.detail}")
        return tuple(results)

    def end_jobs(self) -> None:
        """Whatever became of the phases, none of their jobs goes on."""
        for uid in self._jobs:
            if self._client.job(uid).state not in JOB_ENDED:
                self._client.cancel(uid, "the validation is over")
        for uid in self._jobs:
            self._client.wait_for_job(uid, SPARE)

    def give_back(self) -> tuple[str, ...]:
        """Drain the slices that came for us, and see them gone; else their names."""
        slowest = max(group.delete_timeout for group in self._groups.values())
        until, told = self._clock.now() + slowest + SPARE, ""
        while ours := self._ours():
            for each in ours:
                self._drain(each)
            words = ", ".join(f"{each.name} ({each.state})" for each in ours)
            if words != told:
                self._say(f"giving back {words}")
                told = words
            if self._clock.now() >= until:
                return tuple(each.name for each in ours)
            self._clock.wait(_NEVER, LOOK)
        return ()

    # -- one phase -------------------------------------------------------------------

    def _phase(self, phase: Phase) -> PhaseResult:
        self._say(f"{phase.name}: {phase.claim}")
        jobs = self._client.submit_many(phase.specs)
        self._jobs += [job.uid for job in jobs]
        ended = [self._ended(job.uid, phase.deadline) for job in jobs]
        waited, ran = self._times(ended)
        finding = self._judged(phase, ended)
        outcome = "skipped" if finding.is_skipped else "ok"
        if finding.fell_short:
            outcome = "fell short"
        return PhaseResult(
            phase.name, phase.claim, outcome, waited, ran, finding.detail
        )

    def _judged(self, phase: Phase, jobs: list[JobView]) -> Finding:
        for job in jobs:
            if job.state is not JobState.SUCCEEDED:
                said = self._last_words(job)
                words = f"job {job.name} {job.state}: {job.because}{said}"
                return Finding(words, fell_short=True)
        return judge(phase, [self._answers(job) for job in jobs])

    def _ended(self, uid: str, deadline: float) -> JobView:
        """The job once it ended, or was ended for running too long. Raises Late."""
        began, running_at = self._clock.now(), 0.0
        while (job := self._client.job(uid)).state not in JOB_ENDED:
            now = self._clock.now()
            if not running_at and _has_begun(job):
                running_at = now
            # from here on its own time counts; the slice's boot was another matter
            if running_at and now > running_at + deadline:
                self._client.cancel(uid, f"it ran for more than {deadline:.0f} s")
                return self._client.wait_for_job(uid, SPARE)
            if not running_at and now > began + self._wait:
                because = self._client.why(uid).because
                raise Late(f"no slice came within {self._wait:.0f} s: {because}")
            self._clock.wait(_NEVER, LOOK)
        return job

    def _times(self, jobs: list[JobView]) -> tuple[float, float]:
        """Seconds from submission to start, and from start to end; the longest."""
        waited, ran = 0.0, 0.0
        for job in jobs:
            for attempt in self._client.attempts(job.uid, 0)[-1:]:
                if attempt.running_at:
                    waited = max(waited, attempt.running_at - job.submitted_at)
                    ran = max(ran, attempt.ended_at - attempt.running_at)
        return waited, ran

    def _answers(self, job: JobView) -> Lines:
        """The last line of each task's output."""
        said = self._output(job)
        return [said[task].splitlines()[-1] for task in sorted(said)]

    def _last_words(self, job: JobView) -> str:
        for words in self._output(job).values():
            return f"; it said: {words.splitlines()[-1]}"
        return ""

    def _output(self, job: JobView) -> dict[int, str]:
        return join_output(self._client.follow_log(job.uid))

    def _upload(self) -> str:
        with tempfile.TemporaryDirectory(prefix="iris-validate-") as folder:
            shutil.copy(MEMBER, folder)
            with pack(Path(folder)) as bundle:
                self._client.upload_bundle(bundle)
                return bundle.sha256

    # -- slices ----------------------------------------------------------------------

    def _ours(self) -> list[SliceView]:
        """Slices that came since we began, beyond what their group keeps anyway.

        An idle slice is wanted by nobody: work that waits is placed at once. One
        that is not idle is somebody else's by now, since our jobs have ended.
        """
        ours: list[SliceView] = []
        slices = self._client.slices()
        for group in self._groups.values():
            alike = [each for each in slices if each.group == group.name]
            fresh = [each for each in alike if self._came_for_us(each)]
            ours += [each for each in fresh if each.state not in _STAYING]
            staying = [each for each in fresh if each.state in _STAYING]
            surplus = sum(e.state in _STAYING for e in alike) - group.min_slices
            ours += staying[: max(surplus, 0)]
        return ours

    def _came_for_us(self, each: SliceView) -> bool:
        return each.name not in self._found and not each.live_attempts

    def _drain(self, each: SliceView) -> None:
        if each.state is not SliceState.READY or each.name in self._drained:
            return
        workers = [w.uid for w in self._client.workers() if w.slice_name == each.name]
        for uid in workers[:1]:  # the whole slice drains with one of its workers
            self._client.drain_worker(uid)
            self._drained.add(each.name)


def _size(phase: Phase) -> str:
    tasks = sum(spec.tasks for spec in phase.specs)
    kind = phase.specs[0].constraints.accelerator or "a plain VM"
    return f"{tasks} {'task' if tasks == 1 else 'tasks'} on {kind}"


def _has_begun(job: JobView) -> bool:
    waiting = (TaskState.PENDING, TaskState.ASSIGNED)
    return sum(job.counts.get(state, 0) for state in waiting) < job.spec.tasks


def _short(phase: Phase, because: str) -> PhaseResult:
    return PhaseResult(phase.name, phase.claim, "fell short", 0.0, 0.0, because)
