"""People who submit jobs, wait, and cancel some."""

from __future__ import annotations

from functools import partial
from random import Random

from iris.domain.jobs import (
    After,
    AfterEnd,
    Band,
    Capacity,
    Constraints,
    EndCause,
    JobSpec,
    Owner,
)
from iris.domain.protocol import AttemptSpec
from iris.domain.resources import Resources
from iris.domain.views import Submission
from iris.errors import Conflict, IrisError, JobRefused, NotThere
from iris.simulation.desk import Desk
from iris.simulation.fleet import V5E_4, V5E_16
from iris.simulation.runs import Fate
from iris.simulation.sharing import write_after
from iris.simulation.truth import Truth
from iris.simulation.world import HOUR, MINUTE, World

GB = 1_000_000_000
MOST_LIVE = 14  # jobs; people wait when the line is long
JOB_GAP = 11 * MINUTE  # between two submissions, in working hours
PEOPLE = ("ada", "bob", "eve")
LATELY = 4  # jobs among which one chooses what to run after
RETRY = 15.0  # seconds until a client without an answer asks again


class Users:
    """A seeded stream of work, and how each attempt at it would end."""

    def __init__(self, world: World, truth: Truth, desk: Desk) -> None:
        self._world = world
        self._truth = truth
        self._desk = desk
        self._chance = world.chance("users")
        self._count = 0
        self._is_open = True

    def start(self) -> None:
        self._truth.when_started(self._bear)
        self._world.after(5.0, self._submit_next)

    def close(self) -> None:
        """No more work from now on; what was submitted goes on."""
        self._is_open = False

    def fate_of(self, spec: AttemptSpec) -> Fate:
        """How an attempt ends; all members of a gang agree on how long it takes."""
        common = Random(f"{self._world.seed}/{spec.job}/{spec.number}")
        own = Random(f"{self._world.seed}/{spec.job}/{spec.number}/{spec.task_index}")
        failure_share = float(spec.env["FAILS"])
        if spec.gang:
            failure_share /= spec.num_tasks
        chance = common if spec.gang else own
        fails = own.random() < failure_share
        seconds = chance.expovariate(1.0 / float(spec.env["SECONDS"]))
        return Fate(
            prepare_seconds=own.uniform(0.1, 8.0),
            is_prepared=own.random() > 0.005,
            run_seconds=seconds * own.random() if fails else seconds,
            exit_code=1 if fails else 0,
            cause=own.choice((EndCause.EXITED, EndCause.EXITED, EndCause.OUT_OF_MEMORY))
            if fails
            else EndCause.EXITED,
        )

    # -- submitting ------------------------------------------------------------------

    def _submit_next(self) -> None:
        if not self._is_open:
            return
        if self._desk.live_jobs() < MOST_LIVE:
            burst = 1 if self._chance.random() < 0.8 else self._chance.randrange(2, 8)
            for _ in range(burst):
                self._count += 1
                client_id = f"c{self._count}"
                user = self._chance.choice(PEOPLE)
                after = self._some_before() if self._chance.random() < 0.2 else ()
                spec = self._spec(client_id, Owner(user), after)
                self._submit(Submission(client_id, spec), Owner(user))
        # nights are quiet, so that slices idle and go
        is_night = self._world.elapsed % (24 * HOUR) > 15 * HOUR
        gap = JOB_GAP * (12 if is_night else 1)
        self._world.after(self._chance.expovariate(1.0 / gap), self._submit_next)

    def _some_before(self) -> tuple[After, ...]:
        """One or two of the jobs that were submitted lately, to run after."""
        lately = self._truth.accepted[-LATELY:]
        count = min(self._chance.choice((1, 1, 2)), len(lately))
        ends = tuple(AfterEnd)
        uids = self._chance.sample(lately, count)
        return tuple(After(uid, self._chance.choice(ends)) for uid in uids)

    def _submit(self, submission: Submission, owner: Owner) -> None:
        try:
            uid = self._desk.submit(submission, owner.user, owner.parent)
        except JobRefused as error:
            self._world.tell(f"{submission.client_id} is refused: {error}")
            return
        except IrisError as error:
            if owner.parent and not self._may_go_on(error, owner.parent):
                return
            self._world.after(RETRY, lambda: self._submit(submission, owner))
            return
        if self._truth.accept(uid):
            return
        if self._chance.random() < 0.06:
            wait = self._chance.expovariate(1.0 / (0.5 * HOUR))
            self._world.after(wait, lambda: self._cancel(uid, owner.user))
        if self._chance.random() < 0.05:
            # the answer was lost, says the client, and sends it again
            self._world.after(RETRY, lambda: self._submit(submission, owner))

    def _may_go_on(self, error: IrisError, parent: str) -> bool:
        """Does what submits a child still run, and is there hope?"""
        is_away = not isinstance(error, Conflict)
        return is_away and bool(self._truth.running_of(parent))

    def _bear(self, spec: AttemptSpec) -> None:
        """The first task of a job submits its children, at each of its attempts."""
        if spec.task_index:
            return
        owner = Owner(spec.env["USER"], spec.job_uid)
        for number in range(int(spec.env["CHILDREN"])):
            client_id = f"{spec.job_uid}-{number}"
            child = Submission(client_id, self._spec(client_id, owner))
            seconds = self._chance.expovariate(1.0 / MINUTE)
            # a request may be on its way while the program that sent it ends
            self._world.after(seconds, partial(self._submit, child, owner))

    def _cancel(self, uid: str, user: str) -> None:
        try:
            self._desk.cancel(uid, user)
        except NotThere:
            return  # it has ended
        except IrisError:
            self._world.after(RETRY, lambda: self._cancel(uid, user))

    # -- what they submit --------------------------------------------------------------

    def _spec(
        self, client_id: str, owner: Owner, after: tuple[After, ...] = ()
    ) -> JobSpec:
        """The same for the same client id, as a program that is run again asks."""
        chance = Random(f"{self._world.seed}/job/{client_id}")
        make = chance.choices((_single, _sweep, _chips, _gang), (30, 20, 25, 25))[0]
        tasks, resources, constraints, gang = make(chance)
        fails = chance.choice((0.0, 0.0, 0.0, 0.1, 0.3, 1.0))
        children = chance.choice((1, 2, 3)) if chance.random() < 0.12 else 0
        return JobSpec(
            command=("python", "train.py"),
            name=client_id,
            tasks=tasks,
            resources=resources,
            constraints=constraints,
            band=chance.choice(tuple(Band)),
            env={
                "FAILS": str(fails),
                "SECONDS": str(chance.choice((10, 60, 300, 900, 2400))),
                "USER": owner.user,
                "AFTER": write_after(after),
                "CHILDREN": str(children),
            },
            max_retries=chance.choice((0, 1, 3)),
            stop_grace=chance.choice((1.0, 10.0, 30.0)),
            gang=gang,
            after=after,
        )


Made = tuple[int, Resources, Constraints, bool]  # tasks, what one needs, where, gang?


def _single(chance: Random) -> Made:
    cpus = chance.choice((1.0, 4.0, 16.0, 64.0))
    zones = ("west-b",) if chance.random() < 0.1 else ()
    return 1, Resources(cpus, int(cpus) * GB), Constraints(zones=zones), False


def _sweep(chance: Random) -> Made:
    cpus = chance.choice((0.5, 2.0, 8.0))
    need = Resources(cpus, 2 * GB)
    return chance.randrange(2, 40), need, Constraints(), False


def _chips(chance: Random) -> Made:
    chips = chance.choice((1, 2, 4, 4))
    need = Resources(8.0, 16 * GB, chips)
    asked = Constraints(accelerator=V5E_4.accelerator)
    return chance.choice((1, 1, 1, 6)), need, asked, False


def _gang(chance: Random) -> Made:
    need = Resources(16.0, 32 * GB, 4)
    capacity = Capacity.SPOT if chance.random() < 0.2 else None
    asked = Constraints(accelerator=V5E_16.accelerator, capacity=capacity)
    return V5E_16.vms, need, asked, True
