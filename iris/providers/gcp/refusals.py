"""What Google Cloud refuses, as the type that its treatment depends on.

Its own words are kept. Exhaustion has several meanings that share a status: capacity
means another zone, quota that something must be freed, a rate that we are too fast.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from iris.errors import (
    AlreadyExists,
    CloudError,
    NoQuota,
    NotFound,
    NotPermitted,
    OutOfCapacity,
    QuotaFull,
    RateLimited,
    Rejected,
    Unavailable,
    Unknown,
)

_NO_CAPACITY = re.compile(
    r"no more capacity|ZONE_RESOURCE_POOL_EXHAUSTED|insufficient reserved capacity"
    r"|insufficientCapacity|does not have enough resources|in state PREEMPTED",
    re.IGNORECASE,
)
_RATE = re.compile(r"rate.?limit", re.IGNORECASE)
_QUOTA = re.compile(r"quota", re.IGNORECASE)
_NONE_AT_ALL = re.compile(r"limit:? 0(\.0*)?(?![\d.])", re.IGNORECASE)
_BUSY = re.compile(
    r"unable to queue the operation|not supported while in state|resourceNotReady"
    r"|RESOURCE_NOT_READY|FAILED_PRECONDITION|InUseByAnother|IN_USE_BY_ANOTHER"
    r"|conditionNotMet|UNSUPPORTED_OPERATION",
    re.IGNORECASE,
)
_ASKED = re.compile(r"^[A-Z]+ https?://\S+: ")  # the client repeats the request
_TAKEN = re.compile(r"already.?exists", re.IGNORECASE)
_MISSING = re.compile(r"notFound|NOT_FOUND", re.IGNORECASE)
_DENIED = re.compile(r"permission|forbidden|accessNotConfigured", re.IGNORECASE)
_CLOSED = re.compile(
    r"permission denied on 'locations/|location \S+ is not found or access",
    re.IGNORECASE,
)
_ERROR_BY_STATUS: dict[int, type[CloudError]] = {
    401: NotPermitted,
    403: NotPermitted,
    404: NotFound,
    408: Unavailable,
    409: AlreadyExists,
    412: Unavailable,
    429: RateLimited,
}
# google.rpc codes, as operations of Cloud TPU end with
_STATUS_BY_CODE = {
    1: 409,  # cancelled
    2: 500,  # unknown
    3: 400,  # invalid argument
    4: 504,  # deadline exceeded
    5: 404,  # not found
    6: 409,  # already exists
    7: 403,  # permission denied
    8: 429,  # resource exhausted
    9: 400,  # failed precondition
    10: 409,  # aborted
    11: 400,  # out of range
    12: 501,  # unimplemented
    13: 500,  # internal
    14: 503,  # unavailable
    15: 500,  # data loss
    16: 401,  # unauthenticated
}


def refusal(status: int, words: str, marks: str = "") -> CloudError:
    """The error of an HTTP status; `marks` are reasons and codes beside the words."""
    kind = _kind(status, f"{marks} {words}")
    hint = "Which right is missing: docs/cluster-bootup.md, section 2."
    return kind(words, hint if kind is NotPermitted else "")


def is_closed_zone(error: CloudError) -> bool:
    """Is it a zone that the project may not use, and not a right that is missing?"""
    return bool(_CLOSED.search(error.message))


def refusal_of_code(code: int, words: str) -> CloudError:
    """The error that an operation of Cloud TPU ended with."""
    return refusal(_STATUS_BY_CODE.get(code, 400), words)


def refusal_of_operation(operation: Mapping[str, Any]) -> CloudError | None:
    """The error that an operation of Compute Engine ended with, None without one."""
    errors = operation.get("error", {}).get("errors", [])
    if not errors:
        return None
    words = "; ".join(str(each.get("message") or each.get("code")) for each in errors)
    marks = " ".join(str(each.get("code", "")) for each in errors)
    if _MISSING.search(marks):
        return NotFound(words)
    if _TAKEN.search(marks):
        return AlreadyExists(words)
    status = 403 if _DENIED.search(marks) else 400
    if "INTERNAL" in marks:
        status = 500
    return refusal(status, words, marks)


def refusal_of_body(status: int, body: object, text: str) -> CloudError:
    """The error of an answer of Compute Engine."""
    said = body.get("error") if isinstance(body, dict) else None
    if not isinstance(said, dict):
        return refusal(status, f"HTTP {status}: {' '.join(text.split())[:300]}")
    reasons = [str(each.get("reason", "")) for each in said.get("errors", [])]
    marks = " ".join([*reasons, str(said.get("status", ""))])
    return refusal(status, str(said.get("message") or f"HTTP {status}"), marks)


def refusal_of_client(error: Exception) -> CloudError:
    """The error of Google's client library, or of the network below it."""
    from google.api_core import exceptions as api
    from google.auth.exceptions import GoogleAuthError
    from requests.exceptions import RequestException

    if isinstance(error, CloudError):
        return error
    if isinstance(error, api.GoogleAPICallError):
        status = int(error.code or 500)
        marks = f"{error.reason or ''} {error.details or ''}"
        return refusal(status, _ASKED.sub("", error.message or str(error)), marks)
    if isinstance(error, GoogleAuthError):
        return NotPermitted(f"no token from Google Cloud: {error}")
    if isinstance(error, RequestException | api.RetryError):
        return Unavailable(f"Google Cloud does not answer: {error}")
    return Unknown(f"an answer that cannot be read: {type(error).__name__}: {error}")


def _kind(status: int, said: str) -> type[CloudError]:
    if status >= 500 and not _NO_CAPACITY.search(said):
        return Unavailable
    if _NO_CAPACITY.search(said):
        return OutOfCapacity
    if status in (400, 403, 429) and _RATE.search(said):
        return RateLimited
    if status in (400, 403, 429) and _QUOTA.search(said):
        return NoQuota if _NONE_AT_ALL.search(said) else QuotaFull
    if status in (400, 409, 412) and _BUSY.search(said):
        return Unavailable
    return _ERROR_BY_STATUS.get(status, Rejected)
