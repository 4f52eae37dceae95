"""What a create asks for: refused at once, or a slice that is still without VMs."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

import msgspec

from iris.domain.accelerators import CATALOGUE
from iris.emulator.errors import Refusal, error_info, quota_failure
from iris.emulator.faults import FaultKind
from iris.emulator.labels import labels_from, metadata_from
from iris.emulator.parts import Parts
from iris.emulator.tpu.catalogue import families_of, find_type, quota_of
from iris.emulator.tpu.records import Json
from iris.emulator.tpu.words import bad_request

_ID = re.compile(r"[A-Za-z0-9_.~+%-]{1,63}")
_MAPS = (
    *("acceleratorConfig", "schedulingConfig", "networkConfig", "serviceAccount"),
    "shieldedInstanceConfig",
)


class Wish(msgspec.Struct, frozen=True, kw_only=True):
    """Which slice, and who asks."""

    project: str
    zone: str
    name: str
    body: Json
    queued: str = ""
    set_index: int = 0
    set_size: int = 0
    coordinator: str = ""

    @property
    def is_spot(self) -> bool:
        """May it be reclaimed?"""
        wanted = self.body.get("schedulingConfig") or {}
        return bool(wanted.get("spot") or wanted.get("preemptible"))


class Use(msgspec.Struct, frozen=True):
    """So much of a quota is held in a zone."""

    project: str
    zone: str
    quota: str
    amount: int


def use_of(project: str, zone: str, type_: str, *, is_spot: bool) -> Use:
    """What a slice of a type holds of its quota."""
    return Use(project, zone, *quota_of(CATALOGUE[type_], is_spot=is_spot))


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


def require_id(name: str) -> None:
    """Raises the 400 of a name that nothing may have."""
    if not _ID.fullmatch(name):
        raise Refusal("invalid", f"Invalid id '{name}'.")


def type_of(wish: Wish) -> str:
    """The accelerator type that is meant, of a wish that can be had. Raises 400s."""
    require_id(wish.name)
    require_fields(wish.body)
    if not families_of(wish.zone):
        raise bad_request(f'The requested zone "{wish.zone}" is not supported.')
    if not wish.body.get("runtimeVersion"):
        raise bad_request("The runtime version is missing.")
    asked = str(wish.body.get("acceleratorType") or "")
    config = wish.body.get("acceleratorConfig") or {}
    found = find_type(wish.zone, asked, config)
    if found is None:
        raise bad_request(
            "The requested accelerator configuration "
            f'for accelerator type, "{asked}", could not be found in the zonal '
            f'accelerator configurations for "{wish.zone}".; the accelerator {asked} '
            f"was not found in zone {wish.zone}"
        )
    return found


def require_fields(body: Json) -> None:
    """Raises the 400 of a field that is not what it has to be."""
    labels_from(body.get("labels"))
    metadata_from(body.get("metadata"))
    for field in _MAPS:
        if not isinstance(body.get(field) or {}, dict):
            raise _invalid(field)
    tags = body.get("tags") or []
    if not isinstance(tags, list) or not all(isinstance(tag, str) for tag in tags):
        raise _invalid("tags")
    if not isinstance(body.get("description") or "", str):
        raise _invalid("description")


def require_quota(
    parts: Parts, wishes: Sequence[tuple[Wish, str]], held: Iterable[Use]
) -> None:
    """Raises the 429 of a quota that is used up, or of a fault."""
    used: dict[tuple[str, str, str], int] = {}
    for use in held:
        key = (use.project, use.zone, use.quota)
        used[key] = used.get(key, 0) + use.amount
    for wish, type_ in wishes:
        use = use_of(wish.project, wish.zone, type_, is_spot=wish.is_spot)
        key = (use.project, use.zone, use.quota)
        used[key] = used.get(key, 0) + use.amount
        limit = parts.quota.limit(*key)
        if _is_struck(parts, wish, type_) or (limit is not None and used[key] > limit):
            raise _is_used_up(use, limit)


def _is_struck(parts: Parts, wish: Wish, type_: str) -> bool:
    fault = parts.core.faults.take(
        FaultKind.QUOTA,
        api="tpu",
        verb="create",
        zone=wish.zone,
        type=type_,
        name=wish.name,
    )
    return fault is not None


def _is_used_up(use: Use, limit: int | None) -> Refusal:
    words = f"Quota '{use.quota}' exhausted. Limit {limit or 0} in zone {use.zone}"
    subject = f"project:{use.project}"
    return Refusal("quota", words, details=(quota_failure(subject, words),))


def _invalid(field: str) -> Refusal:
    return Refusal("invalid", f"Invalid value for field '{field}'.")
