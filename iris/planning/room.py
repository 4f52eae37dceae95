"""What is free on a set of candidates while one plan promises it away.

Candidates are tried in the order given. What a plan promised stays promised, so
a place that is too full for one shape of task is never tried for it again: a
thousand like jobs cost hardly more than one.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import groupby

import msgspec

from iris.domain.jobs import JobSpec
from iris.domain.resources import Resources
from iris.domain.views import Obstacle
from iris.planning import rules
from iris.planning.rules import Candidate, Objection

Shape = str
Taken = tuple[Candidate, int]  # a candidate, and how many tasks it takes
Slice = tuple[Candidate, ...]  # all the workers of one slice, in order of index

_PLACE_AND_STATE = rules.PLACE_RULES + rules.STATE_RULES


def shape_of(spec: JobSpec) -> Shape:
    """Equal for specs that every rule treats alike."""
    asked = spec.constraints
    parts = (
        spec.resources,
        asked.accelerator,
        asked.zones,
        asked.regions,
        asked.capacity,
        sorted(asked.labels.items()),
        spec.tasks if spec.gang else 0,
        asked.alone,
    )
    return repr(parts)  # a text remembers its hash, which is asked for often


class _Line:
    """The places that suit one shape, and the first that may have room."""

    def __init__(self, spec: JobSpec) -> None:
        self.spec = spec
        self.candidates: list[Candidate] = []
        self.slices: list[Slice] = []
        self.first = 0

    def add(self, candidates: Sequence[Candidate], slices: Sequence[Slice]) -> None:
        """Let in those that suit; ones that came before are tried before."""
        if self.spec.gang:
            self.slices += [each for each in slices if _suits(self.spec, each)]
        else:
            suited = [each for each in candidates if _suits(self.spec, (each,))]
            self.candidates += suited


class Room:
    """A ledger of what is free; `wanted` names the slices it promised from."""

    def __init__(self, candidates: Iterable[Candidate] = ()) -> None:
        self.wanted: set[str] = set()
        self._candidates: list[Candidate] = []
        self._slices: list[Slice] = []
        self._free: dict[str, Resources] = {}
        self._kept: dict[str, tuple[Shape, str]] = {}
        self._kept_shapes: set[Shape] = set()
        self._full: set[Shape] = set()  # of which not one more finds a place
        self._lines: dict[Shape, _Line] = {}
        self.add(candidates)

    def add(self, candidates: Iterable[Candidate]) -> None:
        """Let more candidates in; those of one slice come together."""
        added = list(candidates)
        self._full.clear()
        self._candidates += added
        self._free |= {candidate.uid: candidate.free for candidate in added}
        slices = [
            tuple(sorted(group, key=lambda candidate: candidate.index))
            for _, group in groupby(added, lambda candidate: candidate.slice_name)
        ]
        self._slices += slices
        for line in self._lines.values():
            line.add(added, slices)

    def is_full(self, shape: Shape) -> bool:
        """Was there less than asked for the shape already? What is left never grows."""
        return shape in self._full

    def take(self, spec: JobSpec, shape: Shape, count: int) -> list[Taken]:
        """Promise room for up to `count` tasks, each on any candidate."""
        line = self._line(spec, shape)
        taken: list[Taken] = []
        while count > 0 and line.first < len(line.candidates):
            candidate = line.candidates[line.first]
            copies = self._copies(spec, candidate)
            if copies <= count:
                line.first += 1
            if copies == 0:
                continue
            copies = min(copies, count)
            self._promise(spec, candidate, copies)
            taken.append((candidate, copies))
            count -= copies
        if count > 0:
            self._full.add(shape)
        return taken

    def take_slice(self, spec: JobSpec, shape: Shape) -> Slice:
        """Promise one task on each worker of a slice; empty if none has room."""
        line = self._line(spec, shape)
        while line.first < len(line.slices):
            members = line.slices[line.first]
            if all(self._copies(spec, member) for member in members):
                for member in members:
                    self._promise(spec, member, 1)
                return members
            line.first += 1
        self._full.add(shape)
        return ()

    def may_keep(self, spec: JobSpec, shape: Shape) -> bool:
        """Is there a place that suits the task once it is empty?"""
        line = self._line(spec, shape)
        return bool(line.slices if spec.gang else line.candidates)

    def keep(self, spec: JobSpec, shape: Shape, job: str) -> bool:
        """Keep the place that will soonest be empty from all who ask later.

        One for each shape is enough: the next in line is served after the first.
        """
        if shape in self._kept_shapes:
            return False
        line = self._line(spec, shape)
        places = line.slices if spec.gang else [(each,) for each in line.candidates]
        unkept = [p for p in places if all(each.uid not in self._kept for each in p)]
        if not unkept:
            return False
        place = min(unkept, key=lambda members: _load(members))
        self._kept |= {member.uid: (shape, job) for member in place}
        self._kept_shapes.add(shape)
        self.wanted.add(place[0].slice_name)
        return True

    def obstacles(self, spec: JobSpec, shape: Shape) -> tuple[Obstacle, ...]:
        """Why each place will not do, counted by the first rule it breaks.

        Places are slices for a gang, else workers.
        """
        found: dict[str, list[str]] = {}
        for place in self._places(spec):
            now = [self._as_promised(member, shape) for member in place]
            objected = place_objection(spec, now)
            if objected is not None:
                found.setdefault(objected.rule, []).append(objected.words)
        names = (*map(rules.rule_name, rules.RULES), _WHOLE)
        return tuple(
            Obstacle(rule=name, candidates=len(found[name]), example=found[name][0])
            for name in names
            if name in found
        )

    def count(self, spec: JobSpec) -> int:
        """How many places there are at all, slices for a gang, else workers."""
        return len(self._places(spec))

    def _places(self, spec: JobSpec) -> Sequence[Slice]:
        return self._slices if spec.gang else [(each,) for each in self._candidates]

    def _line(self, spec: JobSpec, shape: Shape) -> _Line:
        line = self._lines.get(shape)
        if line is None:
            line = self._lines[shape] = _Line(spec)
            line.add(self._candidates, self._slices)
        return line

    def _copies(self, spec: JobSpec, candidate: Candidate) -> int:
        if candidate.uid in self._kept:
            return 0
        free = self._free[candidate.uid]
        if spec.constraints.alone:
            return int(candidate.whole.is_within(free))
        return spec.resources.copies_within(free)

    def _promise(self, spec: JobSpec, candidate: Candidate, copies: int) -> None:
        need = spec.resources.times(copies)
        self._free[candidate.uid] -= candidate.whole if spec.constraints.alone else need
        self.wanted.add(candidate.slice_name)

    def _as_promised(self, candidate: Candidate, shape: Shape) -> Candidate:
        kept, job = self._kept.get(candidate.uid, (shape, ""))
        return msgspec.structs.replace(
            candidate,
            free=self._free[candidate.uid],
            kept_for="" if kept == shape else job,
        )


_WHOLE = "slice is whole"


def place_objection(spec: JobSpec, place: Sequence[Candidate]) -> Objection | None:
    """The first objection against a worker, or against any of a gang's slice."""
    for rule in rules.RULES:
        for member in place:
            words = rule(spec, member)
            if words is not None:
                return Objection(rules.rule_name(rule), words)
    if spec.gang and not _is_whole(place):
        first = place[0]
        has = f"{len(place)} of its {first.group.vms} workers"
        return Objection(_WHOLE, f"slice {first.slice_name} has {has}")
    return None


def _suits(spec: JobSpec, place: Sequence[Candidate]) -> bool:
    if spec.gang and not _is_whole(place):
        return False
    for member in place:
        for rule in _PLACE_AND_STATE:
            if rule(spec, member) is not None:
                return False
    return True


def _is_whole(place: Sequence[Candidate]) -> bool:
    return [member.index for member in place] == list(range(place[0].group.vms))


def _load(members: Slice) -> tuple[int, str]:
    live = sum(member.load.live for member in members if member.load)
    return live, members[0].uid
