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

    def __init__(
        self,
        kind: str,
        message: str,
        *,
        details: tuple[Json, ...] = (),
        tpu_message: str = "",
    ) -> None:
        super().__init__(message)
        self.kind = kind
        self.message = message
        self.details = details
        self.tpu_message = tpu_message or message  # where Cloud TPU has other words

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
        body: Json = {"code": status, "message": self.tpu_message, "status": kind.rpc}
        if self.details:
            body["details"] = list(self.details)
        return {"error": body}, status


def kind_of_status(status: int) -> str:
    """The kind of refusal that a bare HTTP status stands for."""
    names = {500: "internal", 502: "bad-gateway", 503: "backend", 429: "rate"}
    return names.get(status, "backend")


def missing(path: str) -> Refusal:
    """Nothing of that name."""
    words = f"esource '{path}' was not found"
    return Refusal("missing", f"The r{words}", tpu_message=f"R{words}")


def taken(path: str) -> Refusal:
    """Something of that name."""
    words = f"esource '{path}' already exists"
    return Refusal("exists", f"The r{words}", tpu_message=f"R{words}")


def too_many_calls() -> Refusal:
    """A rate is exceeded, which is not a quota of what one may have."""
    service = "tpu.googleapis.com"
    details = error_info(
        "RATE_LIMIT_EXCEEDED",
        "googleapis.com",
        service=service,
        quota_metric=f"{service}/default",
        quota_limit="defaultPerMinutePerProject",
    )
    words = "Quota exceeded for quota metric 'Queries' and limit 'Queries per minute'"
    return Refusal("rate", f"{words} of service '{service}'.", details=(details,))


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
