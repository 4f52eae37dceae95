"""What a submission must be before State sees it."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable

from msgspec.structs import replace

from iris.config.job_rules import CLIENT_ID, MOST_ENV_BYTES, faults_of
from iris.domain.fleet import ScaleGroup
from iris.domain.jobs import JobSpec
from iris.domain.views import Submission
from iris.errors import JobRefused
from iris.planning.refusals import require_place


def admit(
    submission: Submission,
    groups: tuple[ScaleGroup, ...],
    has_bundle: Callable[[str], bool],
    runtime: str = "process",
) -> Submission:
    """The submission as State takes it. Raises JobRefused."""
    spec = submission.spec
    constraints = replace(spec.constraints, alone=False)
    spec = replace(
        spec, name=spec.name or "job", secrets_key="", constraints=constraints
    )
    if not re.fullmatch(CLIENT_ID.pattern, submission.client_id):
        raise JobRefused(f"client_id: expected {CLIENT_ID.expected}")
    for fault in faults_of(spec):
        raise JobRefused(f"spec.{fault.field}: {fault.words}")
    for words in _faults_of_values(spec, submission.secrets):
        raise JobRefused(words)
    if spec.image and runtime != "docker":
        raise JobRefused(
            f"image {spec.image}: attempts are no containers here (runtime {runtime})",
            hint="Leave --image (`image:`) out, or write `worker: {runtime: docker}` "
            "in the cluster file.",
        )
    if spec.bundle and not has_bundle(spec.bundle):
        raise JobRefused(
            f"spec.bundle: there is no bundle {spec.bundle[:80]!r}",
            hint="Upload it first: PUT /v1/bundles/SHA256.",
        )
    require_place(spec, groups)
    return replace(submission, spec=spec)


def _faults_of_values(spec: JobSpec, values: dict[str, str]) -> Iterable[str]:
    """No fault says a value."""
    for name, value in values.items():
        if name not in spec.secrets:
            yield f"secrets: {name[:80]!r} is not in spec.secrets"
        if "\0" in value:
            yield f"secrets.{name}: it holds a NUL"
    if sum(len(value.encode()) for value in values.values()) > MOST_ENV_BYTES:
        yield f"secrets: expected at most {MOST_ENV_BYTES} bytes in all"
