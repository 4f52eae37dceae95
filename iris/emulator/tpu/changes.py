"""What a request changes about a slice that lives: labels, metadata, addresses."""

from __future__ import annotations

from typing import Any

from msgspec.structs import replace

from iris.emulator.core import Core
from iris.emulator.errors import Refusal
from iris.emulator.tpu.operations import Operations
from iris.emulator.tpu.records import Json, Operation, State, TpuSlice
from iris.emulator.tpu.slices import Slices
from iris.emulator.tpu.views import SLICE_TYPE
from iris.emulator.tpu.wishes import require_fields
from iris.emulator.tpu.words import bad_state, busy

_ADDRESSES = ("networkConfig", "networkConfig.enableExternalIps")
_EMPTY: dict[str, Any] = {
    "description": "",
    "tags": [],
    "labels": {},
    "metadata": {},
    "dataDisks": [],
}


class Changes:
    """Use it under the core's lock."""

    def __init__(self, core: Core, slices: Slices, operations: Operations) -> None:
        self._core = core
        self._slices = slices
        self._operations = operations

    def update(self, tpu: TpuSlice, body: Json, mask: list[str]) -> Operation:
        """What the mask names. Raises a 400 while it comes up or goes."""
        fields = [_camel(each) for each in mask]
        if not fields or not all(f in _EMPTY or f in _ADDRESSES for f in fields):
            raise Refusal("invalid", f"Invalid update_mask: '{','.join(mask)}'.")
        require_fields(body)
        if tpu.state not in (State.READY, State.STOPPED):
            raise bad_state("update", tpu.state)
        if tpu.operation:
            raise busy()
        operation = self._slices.begin("update", tpu)
        for field in fields:
            tpu = self._changed(tpu, field, body)
        self._slices.put(tpu)
        if tpu.state == State.READY:
            for worker, vm in enumerate(self._slices.driven(tpu)):
                if worker not in tpu.lacking:
                    self._core.driver.update(vm)
        response = {"@type": SLICE_TYPE, **self._slices.view(tpu)}
        self._operations.end(operation.id, response=response)
        return self._operations.get(tpu.project, tpu.zone, operation.id)

    def _changed(self, tpu: TpuSlice, field: str, body: Json) -> TpuSlice:
        if field not in _ADDRESSES:
            asked = {**tpu.asked, field: body.get(field) or _EMPTY[field]}
            return replace(tpu, asked=asked)
        is_public = bool((body.get("networkConfig") or {}).get("enableExternalIps"))
        former = tpu.asked.get("networkConfig") or {}
        asked = {**former, "enableExternalIps": is_public}
        take = self._core.driver.take_address
        vms = [
            replace(vm, external_ip=take(vm.id)[1] if is_public else "")
            for vm in tpu.vms
        ]
        whole = {**tpu.asked, "networkConfig": asked}
        return replace(tpu, asked=whole, vms=tuple(vms))


def _camel(words: str) -> str:
    first, *rest = words.strip().split("_")
    return first + "".join(word[:1].upper() + word[1:] for word in rest)
