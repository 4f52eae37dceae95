"""What a create asks for: refused at once, or a slice that is still without VMs."""

from __future__ import annotations

import re

import msgspec

from iris.domain.accelerators import CATALOGUE
from iris.emulator.errors import Refusal, error_info, quota_failure
from iris.emulator.faults import FaultKind
from iris.emulator.parts import Parts
from iris.emulator.tpu.catalogue import families_of, find_type, quota_of
from iris.emulator.tpu.records import Json, TpuSlice

_ID = re.compile(r"[A-Za-z0-9_.~+%-]+")
_EID = "[EID: 0x5f8e3c1a2b7d9604]"


class Wish(msgspec.Struct, frozen=True, kw_only=True):
    """Which slice, and who asks."""

    project: str
    zone: str
    name: str
    body: Json
    queued: str = ""
    set_index: int = 0
    set_size: int = 0


def require_zone(parts: Parts, project: str, zone: str) -> None:
    """Raises the 403 of a zone that the project may not use."""
    closed = parts.core.faults.take(FaultKind.ZONE_CLOSED, api="tpu", zone=zone)
    if closed is not None:
        info = error_info(
            "LOCATION_POLICY_VIOLATED",
            "googleapis.com",
            consumer=f"projects/{project}",
            location=zone,
            service="tpu.googleapis.com",
        )
        words = f"Permission denied on 'locations/{zone}' (or it may not exist)."
        raise Refusal("forbidden", words, details=(info,))


def type_of(wish: Wish) -> str:
    """The accelerator type that is meant. Raises 400s."""
    if not _ID.fullmatch(wish.name):
        raise Refusal("invalid", f"Invalid id '{wish.name}'.")
    if not families_of(wish.zone):
        words = f'Cloud TPU received a bad request. The requested zone "{wish.zone}"'
        raise Refusal("invalid", f"{words} is not supported. {_EID}")
    asked = str(wish.body.get("acceleratorType") or "")
    config = wish.body.get("acceleratorConfig") or {}
    found = find_type(wish.zone, asked, config)
    if found is None:
        raise Refusal(
            "invalid",
            "Cloud TPU received a bad request. The requested accelerator configuration "
            f'for accelerator type, "{asked}", could not be found in the zonal '
            f'accelerator configurations for "{wish.zone}".; the accelerator {asked} '
            f"was not found in zone {wish.zone} {_EID}",
        )
    return found


def require_quota(parts: Parts, wish: Wish, type_: str, held: list[TpuSlice]) -> None:
    """Raises the 429 of a quota that is used up, or of a fault."""
    wanted = wish.body.get("schedulingConfig") or {}
    is_spot = bool(wanted.get("spot") or wanted.get("preemptible"))
    quota, amount = quota_of(CATALOGUE[type_], is_spot=is_spot)
    fault = parts.core.faults.take(
        FaultKind.QUOTA,
        api="tpu",
        verb="create",
        zone=wish.zone,
        type=type_,
        name=wish.name,
    )
    limit = parts.quota.limit(wish.project, wish.zone, quota)
    used = sum(
        quota_of(CATALOGUE[each.accelerator], is_spot=each.is_spot)[1]
        for each in held
        if (each.project, each.zone) == (wish.project, wish.zone)
        and quota_of(CATALOGUE[each.accelerator], is_spot=each.is_spot)[0] == quota
    )
    if fault is None and (limit is None or used + amount <= limit):
        return
    words = f"Quota '{quota}' exhausted. Limit {limit or 0} in zone {wish.zone}"
    subject = f"project:{wish.project}"
    raise Refusal("quota", words, details=(quota_failure(subject, words),))


def no_capacity(zone: str) -> Json:
    """The Status that a stockout ends the operation with."""
    words = (
        f'There is no more capacity in the zone "{zone}"; you can try in another zone '
        "where Cloud TPU Nodes are offered "
        f"(see https://cloud.google.com/tpu/docs/regions) {_EID}"
    )
    return {"code": 8, "message": words}
