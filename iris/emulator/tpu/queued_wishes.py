"""What a queued resource asks for: which slices, and from when until when."""

from __future__ import annotations

import re
from datetime import datetime

from iris.emulator.errors import Refusal
from iris.emulator.tpu.records import Json, Queued
from iris.emulator.tpu.wishes import Wish, require_id

_SECONDS = re.compile(r"(\d+(?:\.\d+)?)s")
MOST_SLICES = 256


def wishes_of(queued: Queued) -> list[Wish]:
    """The slices that it asks for. Raises a 400 where it asks for none."""
    spec = _spec_of(queued.asked)
    body = dict(spec.get("node") or {})
    if "spot" in queued.asked:
        wanted = body.get("schedulingConfig") or {}
        body["schedulingConfig"] = {**wanted, "spot": True}
    names = _names(queued, spec)
    return [
        Wish(
            project=queued.project,
            zone=queued.zone,
            name=name,
            body=body,
            queued=queued.name,
            set_index=place,
            set_size=len(names),
        )
        for place, name in enumerate(names)
    ]


def first_slice_in(asked: Json) -> Json:
    """What it says of its slices, or of the first kind. Raises a 400."""
    return _map(_spec_of(asked), "node")


def interval_of(asked: Json, now: float) -> tuple[float, float]:
    """From when until when it may be served; 0 is at once, and never. Raises a 400."""
    policy = _map(asked, "queueingPolicy")
    within = _map(policy, "validInterval")
    begins = _moment(within.get("startTime") or policy.get("validAfterTime"))
    ends = _moment(within.get("endTime") or policy.get("validUntilTime"))
    wait, life = (policy.get(f"valid{w}Duration") for w in ("After", "Until"))
    if wait:
        begins = now + _seconds(wait)
    if life:
        ends = now + _seconds(life)
    if ends and ends <= max(begins, now):
        raise _invalid("queueingPolicy", "it is over before it begins")
    return begins, ends


def _spec_of(asked: Json) -> Json:
    tpu = _map(asked, "tpu")
    specs = tpu.get("nodeSpec")
    if not isinstance(specs, list) or len(specs) != 1 or not specs[0]:
        raise _invalid("tpu.node_spec", "exactly one is expected")
    spec = specs[0]
    if not isinstance(spec, dict):
        raise _invalid("tpu.node_spec", "an object is expected")
    _map(spec, "node")
    return spec


def _names(queued: Queued, spec: Json) -> list[str]:
    many = _map(spec, "multisliceParams") or _map(spec, "multiNodeParams")
    one = spec.get("nodeId")
    if one and many:
        words = "node_id and multislice_params exclude each other"
        raise _invalid("tpu.node_spec", words)
    if not many:
        return [str(one or queued.name)]
    try:
        count = int(many.get("nodeCount") or 0)
    except (TypeError, ValueError):
        count = 0
    if not 1 <= count <= MOST_SLICES:
        raise _invalid("node_count", f"1 to {MOST_SLICES} are expected")
    prefix = str(many.get("nodeIdPrefix") or queued.name)
    require_id(prefix)
    return [f"{prefix}-{place}" for place in range(count)]


def _map(within: Json, field: str) -> Json:
    found = within.get(field) or {}
    if not isinstance(found, dict):
        raise _invalid(field, "an object is expected")
    return found


def _seconds(words: object) -> float:
    found = _SECONDS.fullmatch(str(words))
    if found is None:
        raise _invalid("queueingPolicy", f"'{words}' is no duration")
    return float(found[1])


def _moment(words: object) -> float:
    if not words:
        return 0.0
    try:
        return datetime.fromisoformat(str(words)).timestamp()
    except ValueError:
        raise _invalid("queueingPolicy", f"'{words}' is no time") from None


def _invalid(field: str, words: str) -> Refusal:
    return Refusal("invalid", f"Invalid value for field '{field}': {words}.")
