"""The containers of attempts on this machine, which outlive the keeper they are of."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from iris.domain.containers import VM_LABEL, words_of_silence
from iris.errors import Unavailable


def end_all(is_ours: Callable[[Path], bool]) -> None:
    """End and remove those of the VMs, by folder, that are ours.

    Raises Unavailable while the engine does not say that they are gone.
    """
    import docker
    import requests
    from docker.errors import DockerException, NotFound

    try:
        api = docker.APIClient(**docker.utils.kwargs_from_env(), version="auto")
        with api:
            for found in api.containers(all=True, filters={"label": VM_LABEL}):
                if is_ours(Path(found["Labels"][VM_LABEL])):
                    with suppress(NotFound):
                        api.remove_container(found["Id"], force=True, v=True)
    except (DockerException, requests.RequestException, OSError) as error:
        words = f"containers that may run cannot be ended: {words_of_silence(error)}"
        raise Unavailable(words) from error
