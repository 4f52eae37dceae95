"""Is a submission with a known client id the one that came before?"""

from __future__ import annotations

from collections.abc import Iterable

from msgspec.structs import replace

from iris.domain.jobs import Job, JobSpec, SameName, key_of


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


def difference_of_keeping(job: Job, spec: JobSpec) -> str:
    """What is not as it was when the answer was a live job of that name."""
    kept = {"name": job.asked_name, "same_name": SameName.KEEP}
    return _named(name for name in kept if kept[name] != getattr(spec, name))


def _named(fields: Iterable[str]) -> str:
    return ", ".join(key_of(name) for name in fields)
