"""What a submission must be before State sees it."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from itertools import chain

from msgspec.structs import replace

from iris.config.words import IMAGE
from iris.controller.secret_store import SECRET_NAME
from iris.domain.fleet import ScaleGroup
from iris.domain.jobs import (
    LONGEST_GRACE,
    LONGEST_RUN,
    LONGEST_SETUP,
    LONGEST_STAY,
    SHORTEST_SETUP,
    STOP_SIGNALS,
    JobSpec,
)
from iris.domain.views import Submission
from iris.errors import JobRefused
from iris.planning.refusals import refusal

MOST_TASKS = 1_000_000
MOST_IMAGE = 512  # letters of a name
MOST_COMMAND_BYTES = 128 * 1024  # what Linux passes to a process in one argument
MOST_ENV_BYTES = 128 * 1024
LONGEST_VALUE = MOST_ENV_BYTES // 4  # letters, of four bytes at most
MOST_SWEEP_LETTERS = 32 << 20  # of all the tasks' own variables
MOST_BEFORE = 1000  # jobs that one runs after
MOST_RETRIES = 1_000_000
MOST_CPUS = 1e6
MOST_MEMORY = 1 << 53
MOST_CHIPS = 1_000_000
_NAME = re.compile(r"[a-z0-9][-a-z0-9_.]{0,62}")
_CLIENT_ID = re.compile(r"[\x21-\x7e]{1,128}")
_LINE = re.compile(r"[^\0\n]{0,4096}")
_VARIABLE = re.compile(r"[^=\0]{1,256}")


def admit(
    submission: Submission,
    groups: tuple[ScaleGroup, ...],
    has_bundle: Callable[[str], bool],
    runtime: str = "process",
) -> Submission:
    """The submission as State takes it. Raises JobRefused."""
    spec = replace(submission.spec, name=submission.spec.name or "job", secrets_key="")
    if not _CLIENT_ID.fullmatch(submission.client_id):
        raise JobRefused("client_id: expected 1 to 128 visible ASCII characters")
    looks = (
        _faults_of_words,
        _faults_of_setup,
        _faults_of_stopping,
        _faults_of_numbers,
        _faults_of_sweep,
    )
    for fault in chain.from_iterable(look(spec) for look in looks):
        raise JobRefused(fault)
    secrets = submission.secrets
    for fault in (*_faults_of_secrets(spec), *_faults_of_values(spec, secrets)):
        raise JobRefused(fault)
    if spec.image:
        _require_containers(spec.image, runtime)
    if spec.bundle and not has_bundle(spec.bundle):
        raise JobRefused(
            f"spec.bundle: there is no bundle {spec.bundle[:80]!r}",
            hint="Upload it first: PUT /v1/bundles/SHA256.",
        )
    because = refusal(spec, groups)
    if because is not None:
        raise JobRefused(because)
    return replace(submission, spec=spec)


def _require_containers(image: str, runtime: str) -> None:
    if runtime != "docker":
        raise JobRefused(
            f"spec.image: attempts are no containers here (runtime {runtime})",
            hint="Leave --image out, or write `worker: {runtime: docker}`.",
        )
    if not re.fullmatch(IMAGE.pattern, image[:MOST_IMAGE]):
        raise JobRefused(f"spec.image: expected {IMAGE.expected}, got {image[:80]!r}")


def _faults_of_words(spec: JobSpec) -> Iterable[str]:
    if not _NAME.fullmatch(spec.name):
        yield (
            "spec.name: expected at most 63 of a-z, 0-9, -, _ and ., "
            f"a letter or digit first, got {spec.name[:80]!r}"
        )
    if not spec.command or not spec.command[0]:
        yield "spec.command: expected a program and its arguments, got none"
    if any("\0" in word for word in spec.command):
        yield "spec.command: a word holds a NUL"
    if sum(len(word.encode()) + 1 for word in spec.command) > MOST_COMMAND_BYTES:
        yield f"spec.command: expected at most {MOST_COMMAND_BYTES} bytes"
    for name, value in spec.env.items():
        if not _VARIABLE.fullmatch(name) or "\0" in value:
            yield f"spec.env: {name[:80]!r} cannot be a variable of the environment"
    if sum(len(f"{k}={v}".encode()) for k, v in spec.env.items()) > MOST_ENV_BYTES:
        yield f"spec.env: expected at most {MOST_ENV_BYTES} bytes"


def _faults_of_setup(spec: JobSpec) -> Iterable[str]:
    if "\0" in spec.setup or len(spec.setup.encode()) > MOST_COMMAND_BYTES:
        yield f"spec.setup: expected at most {MOST_COMMAND_BYTES} bytes, none a NUL"


def _faults_of_sweep(spec: JobSpec) -> Iterable[str]:
    for name, values in spec.each.items():
        if not _VARIABLE.fullmatch(name):
            yield f"spec.each: {name[:80]!r} cannot be a variable of the environment"
        if len(values) != spec.tasks:
            yield (
                f"spec.each.{name}: expected a value for each of {spec.tasks} tasks, "
                f"got {len(values)}"
            )
        if any("\0" in value for value in values):
            yield f"spec.each.{name}: a value holds a NUL"
        if max(map(len, values), default=0) > LONGEST_VALUE:
            yield f"spec.each.{name}: a value has more than {LONGEST_VALUE} letters"
    if sum(sum(map(len, values)) for values in spec.each.values()) > MOST_SWEEP_LETTERS:
        yield f"spec.each: expected at most {MOST_SWEEP_LETTERS} letters in all"


def _faults_of_secrets(spec: JobSpec) -> Iterable[str]:
    for name in spec.secrets:
        if not SECRET_NAME.fullmatch(name) or name.startswith("IRIS_"):
            yield f"spec.secrets: {name[:80]!r} cannot be the name of a secret"
        if name in spec.env or name in spec.each:
            yield f"spec.secrets: {name} is a variable of the job already"
    if len(set(spec.secrets)) != len(spec.secrets):
        yield "spec.secrets: a name is there twice"


def _faults_of_values(spec: JobSpec, values: dict[str, str]) -> Iterable[str]:
    """No fault says a value."""
    for name, value in values.items():
        if name not in spec.secrets:
            yield f"secrets: {name[:80]!r} is not in spec.secrets"
        if "\0" in value:
            yield f"secrets.{name}: it holds a NUL"
    if sum(len(value.encode()) for value in values.values()) > MOST_ENV_BYTES:
        yield f"secrets: expected at most {MOST_ENV_BYTES} bytes in all"


def _faults_of_stopping(spec: JobSpec) -> Iterable[str]:
    if spec.signal not in STOP_SIGNALS:
        choices = ", ".join(STOP_SIGNALS)
        yield f"spec.signal: expected one of {choices}, got {spec.signal[:80]!r}"
    if not _LINE.fullmatch(spec.checkpoint_dir):
        yield "spec.checkpoint_dir: expected a path or URL of at most 4096 letters"


def _faults_of_numbers(spec: JobSpec) -> Iterable[str]:
    bounds: tuple[tuple[str, float, float, float], ...] = (
        ("tasks", spec.tasks, 1, MOST_TASKS),
        ("after", len(spec.after), 0, MOST_BEFORE),
        ("max_retries", spec.max_retries, 0, MOST_RETRIES),
        ("max_losses", spec.max_losses, 0, MOST_RETRIES),
        ("run_timeout", spec.run_timeout, 0, LONGEST_RUN),
        ("keep_on_failure", spec.keep_on_failure, 0, LONGEST_STAY),
        ("hold", spec.hold, 0, LONGEST_RUN),
        ("scheduling_timeout", spec.scheduling_timeout, 0, LONGEST_RUN),
        ("disk_bytes", spec.disk_bytes, 0, MOST_MEMORY),
        ("setup_timeout", spec.setup_timeout, SHORTEST_SETUP, LONGEST_SETUP),
        ("stop_grace", spec.stop_grace, 0, LONGEST_GRACE),
        ("resources.cpus", spec.resources.cpus, 0, MOST_CPUS),
        ("resources.memory_bytes", spec.resources.memory_bytes, 0, MOST_MEMORY),
        ("resources.chips", spec.resources.chips, 0, MOST_CHIPS),
    )
    for name, value, least, most in bounds:
        if not least <= value <= most:
            yield f"spec.{name}: expected {least:g} to {most:g}, got {value:g}"
