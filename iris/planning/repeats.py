"""Is a submission with a known client id the one that came before?"""

from __future__ import annotations

from msgspec.structs import replace

from iris.domain.jobs import Job, JobSpec


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
    differ = [name for name in names if getattr(kept, name) != getattr(spec, name)]
    return ", ".join(f"spec.{name}" for name in differ)
