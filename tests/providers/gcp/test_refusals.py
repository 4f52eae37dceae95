"""What Google Cloud says, as it was met in the field, and how it is to be treated."""

from __future__ import annotations

import pytest
import requests
from google.api_core import exceptions as api
from google.auth.exceptions import RefreshError

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
from iris.providers.gcp.refusals import (
    refusal_of_body,
    refusal_of_client,
    refusal_of_code,
    refusal_of_operation,
)

ZONE = "projects/p/zones/europe-west4-b"
EID = "[EID: 0x1f2e]"


def compute(status: int, reason: str, message: str) -> CloudError:
    errors = [{"message": message, "domain": "global", "reason": reason}]
    body = {"error": {"code": status, "message": message, "errors": errors}}
    return refusal_of_body(status, body, "")


def operation(code: str, message: str) -> CloudError | None:
    return refusal_of_operation(
        {"status": "DONE", "error": {"errors": [{"code": code, "message": message}]}}
    )


@pytest.mark.parametrize(
    ("status", "reason", "message", "kind"),
    [
        (401, "authError", "Invalid Credentials", NotPermitted),
        (403, "forbidden", "Required 'compute.instances.create' permission for "
         f"'{ZONE}/instances/a'", NotPermitted),
        (403, "accessNotConfigured", "Compute Engine API has not been used in project "
         "1 before or it is disabled.", NotPermitted),
        (403, "quotaExceeded", "Quota 'CPUS' exceeded.  Limit: 24.0 in region "
         "us-west1.", QuotaFull),
        (403, "quotaExceeded", "Quota 'N2_CPUS' exceeded.  Limit: 0.0 in region "
         "us-west1.", NoQuota),
        (403, "rateLimitExceeded", "Rate Limit Exceeded", RateLimited),
        (429, "rateLimitExceeded", "Quota exceeded for quota metric 'Queries' and "
         "limit 'Queries per minute' of service 'compute.googleapis.com'", RateLimited),
        (404, "notFound", f"The resource '{ZONE}/instances/a' was not found", NotFound),
        (409, "alreadyExists", f"The resource '{ZONE}/instances/a' already exists",
         AlreadyExists),
        (412, "conditionNotMet", "Supplied fingerprint does not match current metadata "
         "fingerprint.", Unavailable),
        (400, "resourceNotReady", f"The resource '{ZONE}/instances/a' is not ready",
         Unavailable),
        (400, "resourceInUseByAnotherResource", "The disk resource 'd' is already "
         "being used by 'i'", Unavailable),
        (400, "invalid", "Invalid value for field 'resource.name': 'A'.", Rejected),
        (500, "internalError", "Internal Error", Unavailable),
        (502, "", "Bad Gateway", Unavailable),
        (503, "backendError", "Backend Error", Unavailable),
        (503, "insufficientCapacity", "There is not enough capacity", OutOfCapacity),
    ],
)  # fmt: skip
def test_an_answer_of_compute_engine(
    status: int, reason: str, message: str, kind: type[CloudError]
):
    error = compute(status, reason, message)

    assert type(error) is kind
    assert str(error) == message


@pytest.mark.parametrize(
    ("code", "message", "kind"),
    [
        ("ZONE_RESOURCE_POOL_EXHAUSTED", f"The zone '{ZONE}' does not have enough "
         "resources available to fulfill the request.  Try a different zone, or try "
         "again later.", OutOfCapacity),
        ("ZONE_RESOURCE_POOL_EXHAUSTED_WITH_DETAILS", "The zone does not have enough.",
         OutOfCapacity),
        ("QUOTA_EXCEEDED", "Quota 'CPUS' exceeded.  Limit: 24.0 in region us-west1.",
         QuotaFull),
        ("RESOURCE_NOT_READY", "The resource is not ready", Unavailable),
        ("RESOURCE_IN_USE_BY_ANOTHER_RESOURCE", "The disk is in use", Unavailable),
        ("UNSUPPORTED_OPERATION", "The VM was preempted while it was made",
         Unavailable),
        ("RESOURCE_NOT_FOUND", "The resource was not found", NotFound),
        ("RESOURCE_ALREADY_EXISTS", "The resource already exists", AlreadyExists),
        ("PERMISSIONS_ERROR", "Required permission is missing", NotPermitted),
        ("INTERNAL_ERROR", "Internal error. Please try again", Unavailable),
        ("INVALID_FIELD_VALUE", "Invalid value for field", Rejected),
    ],
)  # fmt: skip
def test_what_an_operation_of_compute_engine_ends_with(
    code: str, message: str, kind: type[CloudError]
):
    error = operation(code, message)

    assert type(error) is kind
    assert str(error) == message


def test_an_operation_that_ended_well_refuses_nothing():
    assert refusal_of_operation({"status": "DONE"}) is None


@pytest.mark.parametrize(
    ("code", "message", "kind"),
    [
        (8, 'There is no more capacity in the zone "europe-west4-b"; you can try in '
         f"another zone where Cloud TPU Nodes are offered {EID}", OutOfCapacity),
        (8, "Insufficient reserved capacity. Contact customer support to increase "
         f"your reservation. {EID}", OutOfCapacity),
        (9, "Insufficient reserved capacity. Contact customer support to increase "
         f"your reservation. {EID}", OutOfCapacity),
        (8, "Quota 'TPUV2sPreemptiblePodPerProjectPerZoneForTPUAPI' exhausted. Limit "
         "32 in zone europe-west4-a", QuotaFull),
        (8, "Quota limit 'TPUV5sLitepodPerProjectPerZoneForTPUAPI' has been exceeded. "
         "Limit: 16 in zone europe-west4-b.", QuotaFull),
        (8, "Quota limit 'TPUV6EPerProjectPerZoneForTPUAPI' has been exceeded. Limit: "
         "0 in zone europe-west4-a.", NoQuota),
        (3, "Cloud TPU received a bad request. update is not supported while in state "
         f"PREEMPTED {EID}", OutOfCapacity),
        (3, "Cloud TPU received a bad request. The requested accelerator configuration "
         'for accelerator type, "v6e-4", could not be found in the zonal accelerator '
         f'configurations for "europe-west4-b". {EID}', Rejected),
        (10, "unable to queue the operation", Unavailable),
        (13, "Internal error", Unavailable),
        (14, "The service is currently unavailable.", Unavailable),
        (7, "Permission 'tpu.nodes.create' denied", NotPermitted),
    ],
)  # fmt: skip
def test_what_an_operation_of_cloud_tpu_ends_with(
    code: int, message: str, kind: type[CloudError]
):
    error = refusal_of_code(code, message)

    assert type(error) is kind
    assert str(error) == message


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (api.Unauthorized("no token"), NotPermitted),
        (api.Forbidden("Permission denied on 'locations/x' (or it may not exist)."),
         NotPermitted),
        (api.NotFound("Resource 'x' was not found"), NotFound),
        (api.Conflict("Resource 'x' already exists"), AlreadyExists),
        (api.Conflict("unable to queue the operation"), Unavailable),
        (api.TooManyRequests("Quota limit 'A' has been exceeded. Limit: 8 in zone z."),
         QuotaFull),
        (api.TooManyRequests("There is no more capacity in the zone"), OutOfCapacity),
        (api.TooManyRequests("Too many requests"), RateLimited),
        (api.BadRequest("The requested zone \"z\" is not supported."), Rejected),
        (api.InternalServerError("oops"), Unavailable),
        (api.ServiceUnavailable("later"), Unavailable),
        (api.RetryError("no answer in time", None), Unavailable),
        (requests.exceptions.ConnectionError("refused"), Unavailable),
        (requests.exceptions.ReadTimeout("30 s"), Unavailable),
        (RefreshError("no account"), NotPermitted),
        (TypeError("Could not convert Any"), Unknown),
    ],
)  # fmt: skip
def test_what_the_client_library_raises(error: Exception, kind: type[CloudError]):
    assert type(refusal_of_client(error)) is kind


def test_an_answer_that_is_a_web_page_keeps_its_words_on_one_line():
    error = refusal_of_body(502, None, "<html>\n<h1>Bad\n Gateway</h1>")

    assert type(error) is Unavailable
    assert str(error) == "HTTP 502: <html> <h1>Bad Gateway</h1>"


def test_a_missing_right_says_where_rights_are_explained():
    assert "docs/" in compute(403, "forbidden", "Required permission").hint
