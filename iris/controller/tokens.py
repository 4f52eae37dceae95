"""Tokens that are derived from the cluster's key, and so kept nowhere."""

from __future__ import annotations

import hmac
from collections.abc import Mapping
from hashlib import sha256

from iris.controller.tables import Tables
from iris.domain.jobs import Job

_JOBS = "job"  # what the token of a job begins with


def derived(meta: Mapping[str, str], words: str) -> str:
    """The same for the same words, for as long as the cluster lives."""
    return hmac.new(meta["join_key"].encode(), words.encode(), sha256).hexdigest()


def job_token(tables: Tables, job_uid: str) -> str:
    """What a job's tasks speak with: for its user, for its children only."""
    return f"{_JOBS}.{job_uid}.{derived(tables.meta, f'{_JOBS}/{job_uid}')}"


def job_of_token(tables: Tables, token: str) -> Job | None:
    """The live job whose tasks were given the token."""
    kind, _, rest = token.partition(".")
    job = tables.jobs.get(rest.partition(".")[0])
    if kind != _JOBS or job is None or job.cancelled_by:
        return None
    is_its = hmac.compare_digest(job_token(tables, job.uid).encode(), token.encode())
    return job if is_its else None
