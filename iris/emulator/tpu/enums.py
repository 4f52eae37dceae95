"""Enums of the API: by number in what some callers send and want, by name inside."""

from __future__ import annotations

from typing import Any

_STATES = {
    name: number
    for number, name in enumerate(
        [
            "CREATING",
            "READY",
            "RESTARTING",
            "REIMAGING",
            "DELETING",
            "REPAIRING",
            "-",
            "STOPPED",
            "STOPPING",
            "STARTING",
            "PREEMPTED",
            "TERMINATED",
            "HIDING",
            "HIDDEN",
            "UNHIDING",
            "UNKNOWN",
        ],
        start=1,
    )
    if name != "-"
}
_QUEUED_STATES = {
    "CREATING": 1,
    "ACCEPTED": 2,
    "PROVISIONING": 3,
    "FAILED": 4,
    "DELETING": 5,
    "ACTIVE": 6,
    "SUSPENDING": 7,
    "SUSPENDED": 8,
    "WAITING_FOR_RESOURCES": 9,
}
_TYPES = {"V2": 2, "V3": 4, "V4": 7, "V5LITE_POD": 9, "V5P": 10, "V6E": 11}
_HEALTH = {
    "HEALTHY": 1,
    "TIMEOUT": 3,
    "UNHEALTHY_TENSORFLOW": 4,
    "UNHEALTHY_MAINTENANCE": 5,
}
# by the name of the field, and where one name has two enums, of the one that holds it
_NUMBERS: dict[str, dict[str, int]] = {
    "state": _STATES,
    "state.state": _QUEUED_STATES,
    "stateInitiator": {"USER": 1, "SERVICE": 2},
    "health": _HEALTH,
    "apiVersion": {"V1_ALPHA1": 1, "V1": 2, "V2_ALPHA1": 3, "V2": 4},
    "acceleratorConfig.type": _TYPES,
    "acceleratorConfigs.type": _TYPES,
    "mode": {"READ_WRITE": 1, "READ_ONLY": 2},
}
UNHEARD_OF = 99  # the number of a state that no client knows
_FREE = frozenset({"labels", "metadata"})  # keys of these are the caller's own


def with_numbers(value: Any, within: str = "", field: str = "") -> Any:
    """The answer with its enums as numbers, as `enum-encoding=int` asks."""
    if isinstance(value, str):
        numbers = _numbers_of(within, field)
        unheard = UNHEARD_OF if field == "state" else value
        return numbers.get(value, unheard) if numbers else value
    return _each(value, within, field, with_numbers)


def with_names(value: Any, within: str = "", field: str = "") -> Any:
    """A body with its enums by name, whichever way they came."""
    if isinstance(value, int) and not isinstance(value, bool):
        names = {number: name for name, number in _numbers_of(within, field).items()}
        return names.get(value, value)
    return _each(value, within, field, with_names)


def _each(value: Any, within: str, field: str, turn: Any) -> Any:
    if isinstance(value, list):
        return [turn(one, within, field) for one in value]
    if isinstance(value, dict) and field not in _FREE:
        return {key: turn(one, field, key) for key, one in value.items()}
    return value


def _numbers_of(within: str, field: str) -> dict[str, int]:
    return _NUMBERS.get(f"{within}.{field}") or _NUMBERS.get(field, {})
