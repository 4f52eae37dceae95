"""Is a submission with a known client id the one that came before?"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable

import msgspec
from msgspec.structs import replace

from iris.domain.jobs import Answered, Job, JobSpec, SameName, key_of

# The order is looked at by itself, and the key is the controller's.
_NOT_ASKED = frozenset({"after", "secrets_key"})
_PLAIN = JobSpec(command=())
_DIGITS = 12  # of each digest; a job may have to remember a thousand callers


def difference(job: Job, spec: JobSpec) -> str:
    """What is not as it was when the job was accepted; empty if it is the same.

    Jobs that it was to run after are not looked at: some may have ended since.
    """
    kept = replace(
        job.spec,
        name=job.asked_name or spec.name,
        after=spec.after,
        secrets_key=spec.secrets_key,
    )
    names = JobSpec.__struct_fields__
    return _named(name for name in names if getattr(kept, name) != getattr(spec, name))


def difference_of_keeping(job: Job, answered: Answered | None, spec: JobSpec) -> str:
    """What is not as it was when the answer was a live job of that name.

    Of an answer that did not remember it only the name and the policy are known.
    """
    if answered is None or not answered.asked:
        kept = {"name": job.asked_name, "same_name": SameName.KEEP}
        return _named(name for name in kept if kept[name] != getattr(spec, name))
    before, now = _parts(answered.asked), _parts(asked(spec))
    names = JobSpec.__struct_fields__
    return _named(name for name in names if before.get(name) != now.get(name))


def asked(spec: JobSpec) -> str:
    """What a job is, in short: a digest of each field that is not as it always is."""
    said = {name: getattr(spec, name) for name in JobSpec.__struct_fields__}
    # as defaults are left out, those of later versions change nothing
    names = (n for n in said if n not in _NOT_ASKED and said[n] != getattr(_PLAIN, n))
    return " ".join(f"{name}={_digest(said[name])}" for name in names)


def _parts(asked: str) -> dict[str, str]:
    pairs = (each.partition("=") for each in asked.split())
    return {name: digest for name, _, digest in pairs}


def _digest(value: object) -> str:
    words = msgspec.json.encode(value, order="deterministic")
    return hashlib.sha256(words).hexdigest()[:_DIGITS]


def _named(fields: Iterable[str]) -> str:
    return ", ".join(key_of(name) for name in fields)
