"""The environment of an attempt."""

from __future__ import annotations

import hashlib
import os
import tempfile
from functools import cache
from pathlib import Path

from iris.domain.machine import VmMetadata
from iris.domain.protocol import AttemptSpec
from iris.worker.agent.whereabouts import controller_file
from iris.worker.folders import VmFolder

# What an attempt inherits of the machine's environment; tokens are not in it.
_INHERITED = (
    *("HOME", "LANG", "LC_ALL", "LC_CTYPE", "LOGNAME", "SHELL", "TMPDIR", "TZ", "USER"),
    *("LD_LIBRARY_PATH", "SSL_CERT_DIR", "SSL_CERT_FILE"),
)


# Where tools keep what they fetched or compiled, below the VM's shared folder.
CACHES = {
    "PIP_CACHE_DIR": "pip",
    "UV_CACHE_DIR": "uv",
    "HF_HOME": "huggingface",
    "JAX_COMPILATION_CACHE_DIR": "jax",
}


def attempt_environment(
    spec: AttemptSpec, metadata: VmMetadata, coordinator: str, folder: VmFolder
) -> dict[str, str]:
    """The contract's variables; the user's own come before, ours win."""
    env = _of_vm(metadata, str(folder.shared)) | spec.env
    controller = controller_file(folder, metadata, spec.uid)
    env |= {
        "IRIS_CLUSTER": metadata.cluster,
        "IRIS_CONTROLLER_URL": _controller(controller, metadata),
        "IRIS_CONTROLLER_FILE": str(controller),
        "IRIS_JOB": spec.job,
        "IRIS_JOB_UID": spec.job_uid,
        "IRIS_TASK_INDEX": str(spec.task_index),
        "IRIS_NUM_TASKS": str(spec.num_tasks),
        "IRIS_ATTEMPT": str(spec.number),
        "IRIS_ATTEMPT_UID": spec.uid,
        "IRIS_SLICE": spec.slice_name,
        "IRIS_WORKER_INDEX": str(spec.worker_index),
        "IRIS_VM": str(folder.root),
        "IRIS_DEADLINE_FILE": str(folder.deadline(spec.uid)),
        "IRIS_CACHE_DIR": str(folder.shared),
        "IRIS_OUTPUT_DIR": str(folder.outputs(spec.uid)),
        "TPU_WORKER_ID": str(spec.worker_index),
        "TPU_WORKER_HOSTNAMES": ",".join(spec.hostnames),
    }
    if spec.accelerator:
        env["TPU_ACCELERATOR_TYPE"] = spec.accelerator
    if spec.checkpoint_dir:
        env["IRIS_CHECKPOINT_DIR"] = spec.checkpoint_dir
    if spec.resumes:
        env["IRIS_RESUME_REASON"] = spec.resumes
    if coordinator:
        env["IRIS_COORDINATOR"] = coordinator
    if spec.setup:
        _find_what_was_set_up(env, str(folder.setup(setup_key(spec))))
    return env


def setup_key(spec: AttemptSpec) -> str:
    """The same for all attempts whose set-up would make the same."""
    parts = "\0".join((spec.bundle, spec.image, spec.setup))
    return hashlib.sha256(parts.encode()).hexdigest()[:32]


def _find_what_was_set_up(env: dict[str, str], folder: str) -> None:
    """Its programs go first; a container's PATH is put together inside of it."""
    env["IRIS_SETUP_DIR"] = folder
    env.setdefault("UV_PROJECT_ENVIRONMENT", folder)
    if "PATH" in env:
        env["PATH"] = f"{folder}/bin:{env['PATH']}"


def _controller(file: Path, metadata: VmMetadata) -> str:
    try:
        return file.read_text().strip()
    except OSError:
        return metadata.controller_url  # there was no room to say where it is now


def _of_vm(metadata: VmMetadata, shared: str) -> dict[str, str]:
    """What all attempts of a VM find, whatever they are."""
    in_container = metadata.runtime == "docker"
    return {
        **({} if in_container else _of_machine(metadata.path_prefix)),
        **{name: f"{shared}/{part}" for name, part in CACHES.items()},
        "PYTHONUNBUFFERED": "1",  # lines are seen when they are printed
    }


@cache
def _of_machine(path_prefix: str) -> dict[str, str]:
    """What a process sees of its machine; a container has its image's own."""
    env = {name: os.environ[name] for name in _INHERITED if name in os.environ}
    path = os.environ.get("PATH", os.defpath)
    env["PATH"] = f"{path_prefix}:{path}" if path_prefix else path
    env.setdefault("TMPDIR", tempfile.gettempdir())
    return env
