"""What Cloud TPU says when it refuses or fails, in its own words."""

from __future__ import annotations

from iris.emulator.errors import Refusal
from iris.emulator.tpu.records import Json

EID = "[EID: 0x5f8e3c1a2b7d9604]"
BAD = "Cloud TPU received a bad request."
EXHAUSTED, NOT_VALID, DEADLINE, ABORTED = 8, 3, 4, 10  # google.rpc codes
_CODES = {"exists": 6, "forbidden": 7, "quota": EXHAUSTED}


def busy() -> Refusal:
    """Another operation is under way on it."""
    return Refusal("aborted", "unable to queue the operation")


def bad_state(verb: str, state: str) -> Refusal:
    """It is in a state in which that is not done."""
    words = f"{BAD} {verb} is not supported while in state {state} {EID}"
    return Refusal("not-ready", words)


def bad_request(words: str) -> Refusal:
    """What is asked for cannot be."""
    return Refusal("invalid", f"{BAD} {words} {EID}")


def no_capacity(zone: str) -> Json:
    """The Status that a stockout ends the operation with."""
    words = (
        f'There is no more capacity in the zone "{zone}"; you can try in another zone '
        "where Cloud TPU Nodes are offered "
        f"(see https://cloud.google.com/tpu/docs/regions) {EID}"
    )
    return {"code": EXHAUSTED, "message": words}


def was_preempted() -> Json:
    """The Status of an operation whose slice was taken meanwhile."""
    words = f"{BAD} update is not supported while in state PREEMPTED {EID}"
    return {"code": NOT_VALID, "message": words}


def was_aborted() -> Json:
    """The Status of an operation that a deletion overtook."""
    return {"code": ABORTED, "message": "The operation was aborted."}


def has_expired() -> Json:
    """The Status of a queued resource whose time to be served is over."""
    words = "The queued resource was not served within its valid interval."
    return {"code": DEADLINE, "message": words}


def status_of(refusal: Refusal) -> Json:
    """A refusal as an operation or a queued resource shows it."""
    code = _CODES.get(refusal.kind, NOT_VALID)
    return {"code": code, "message": refusal.tpu_message}
