"""What the model of a cloud refuses calls with."""

from __future__ import annotations

from iris.errors import (
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

# How often each reason to refuse a creation is met, relative to the others.
REFUSALS: tuple[tuple[type[CloudError], str, float], ...] = (
    (OutOfCapacity, "there is no more capacity in the zone", 60),
    (QuotaFull, "quota TPUV5sLitepodServing exceeded", 30),
    (NotPermitted, "the caller does not have permission", 4),
    (Rejected, "the request is invalid", 3),
    (NotFound, "the zone does not know this type", 2),
    (NoQuota, "the quota for this type is 0", 1),
)
PASSING: tuple[CloudError, ...] = (
    Unavailable("the service is currently unavailable"),
    RateLimited("too many requests"),
)
DONE_AND_YET: tuple[CloudError, ...] = (
    Unavailable("deadline exceeded"),
    Unknown("the connection was closed in the middle of the answer"),
)
