"""What the APIs refuse with; each API has its own body for the same refusal."""

from __future__ import annotations

from typing import Any, NamedTuple

Json = dict[str, Any]


class _Kind(NamedTuple):
    status: int
    reason: str  # Compute's
    rpc: str  # Cloud TPU's


_KINDS = {
    "required": _Kind(401, "required", "UNAUTHENTICATED"),
    "forbidden": _Kind(403, "forbidden", "PERMISSION_DENIED"),
    "quota": _Kind(403, "quotaExceeded", "RESOURCE_EXHAUSTED"),
    "rate": _Kind(403, "rateLimitExceeded", "RESOURCE_EXHAUSTED"),
    "missing": _Kind(404, "notFound", "NOT_FOUND"),
    "exists": _Kind(409, "alreadyExists", "ALREADY_EXISTS"),
    "aborted": _Kind(409, "resourceInUse", "ABORTED"),
    "in-use": _Kind(400, "resourceInUseByAnotherResource", "FAILED_PRECONDITION"),
    "not-ready": _Kind(400, "resourceNotReady", "FAILED_PRECONDITION"),
    "invalid": _Kind(400, "invalid", "INVALID_ARGUMENT"),
    "stale": _Kind(412, "conditionNotMet", "FAILED_PRECONDITION"),
    "backend": _Kind(503, "backendError", "UNAVAILABLE"),
    "internal": _Kind(500, "internalError", "INTERNAL"),
    "bad-gateway": _Kind(502, "backendError", "UNAVAILABLE"),
}
# Cloud TPU says 429 where Compute says 403
_TPU_STATUS = {"quota": 429, "rate": 429}


class Refusal(Exception):
    """A request is refused, for one of a few kinds of reason."""

    def __init__(self, kind: str, message: str, *, details: tuple[Json, ...] = ()):
        super().__init__(message)
        self.kind = kind
        self.message = message
        self.details = details

    def compute(self) -> tuple[Json, int]:
        """The body and the status that Compute Engine answers."""
        kind = _KINDS[self.kind]
        item = {"message": self.message, "domain": "global", "reason": kind.reason}
        body = {"code": kind.status, "message": self.message, "errors": [item]}
        return {"error": body}, kind.status

    def tpu(self) -> tuple[Json, int]:
        """The body and the status that Cloud TPU answers."""
        kind = _KINDS[self.kind]
        status = _TPU_STATUS.get(self.kind, kind.status)
        body: Json = {"code": status, "message": self.message, "status": kind.rpc}
        if self.details:
            body["details"] = list(self.details)
        return {"error": body}, status


def kind_of_status(status: int) -> str:
    """The kind of refusal that a bare HTTP status stands for."""
    names = {500: "internal", 502: "bad-gateway", 503: "backend", 429: "rate"}
    return names.get(status, "backend")


def missing(path: str) -> Refusal:
    """Nothing of that name."""
    return Refusal("missing", f"The resource '{path}' was not found")


def taken(path: str) -> Refusal:
    """Something of that name."""
    return Refusal("exists", f"The resource '{path}' already exists")


def error_info(reason: str, domain: str, **metadata: str) -> Json:
    """A google.rpc.ErrorInfo."""
    return {
        "@type": "type.googleapis.com/google.rpc.ErrorInfo",
        "reason": reason,
        "domain": domain,
        "metadata": metadata,
    }


def quota_failure(subject: str, description: str) -> Json:
    """A google.rpc.QuotaFailure."""
    return {
        "@type": "type.googleapis.com/google.rpc.QuotaFailure",
        "violations": [{"subject": subject, "description": description}],
    }
