"""The container engine of this VM, over its own API.

So no environment of an attempt stands in a list of arguments. Imported only where
attempts are containers.
"""

from __future__ import annotations

import contextlib
import io
import itertools
import os
import tarfile
import threading
import zlib
from collections.abc import Iterator
from typing import Any

import docker
import msgspec
import requests
from docker.errors import APIError, DockerException, NotFound

from iris.domain.containers import UID_LABEL, VM_LABEL, words_of_silence
from iris.errors import EngineFailed, IrisError, NoEngine, NotThere
from iris.images.names import ImageName

SOCKET = "unix:///var/run/docker.sock"
ANSWER = 60.0  # seconds for one answer; a start under load takes a while
PAUSE = 0.5  # seconds between tries while the engine is away
UNKNOWN_STATUS = 255  # of a container that the engine did not find again
CONNECTIONS = 64  # kept; each attempt that runs holds one


class Wish(msgspec.Struct, frozen=True):
    """A container to run."""

    uid: str  # of its attempt
    image: str
    argv: tuple[str, ...]
    env: dict[str, str]
    mounts: tuple[str, ...]  # folders, each at the same place as on the VM
    work: str  # where it starts
    cpus: float = 0.0  # 0 without a limit
    memory_bytes: int = 0
    devices: tuple[str, ...] = ()  # of the TPU's chips; with them go its limits


class End(msgspec.Struct, frozen=True):
    """How a container ended; without a status it is not there any more."""

    status: int | None
    is_out_of_memory: bool = False
    is_unwatched: bool = False  # the engine was away, or nobody looked


class Engine:
    """Starts, watches, signals and removes containers."""

    def __init__(self, vm: str) -> None:
        self._vm = vm  # the VM's folder: an engine may be that of several
        self._address = os.environ.get("DOCKER_HOST") or SOCKET
        self._lock = threading.Lock()
        self._client: Any = None
        self._cpus = 0

    def name_of(self, uid: str) -> str:
        """The container of an attempt."""
        return f"iris-{uid}-{zlib.crc32(self._vm.encode()):08x}"

    def start(self, wish: Wish) -> int:
        """Create and start one, and return its pid. Raises IrisError, ValueError."""
        with _told():
            api = self._api()
            made = api.create_container(
                image=wish.image,
                name=self.name_of(wish.uid),
                entrypoint=list(wish.argv),
                environment=wish.env,
                working_dir=wish.work,
                labels={VM_LABEL: self._vm, UID_LABEL: wish.uid},
                host_config=self._bounds_of(api, wish),
                # what it writes is ours to remove, where we are not everybody
                user=f"{os.getuid()}:{os.getgid()}" if os.getuid() else None,
            )
            try:
                api.start(made["Id"])
            except APIError as error:
                words, program = str(error.explanation), wish.argv[0]
                if f'"{program}": ' in words and "exec" in words:
                    raise ValueError(f"image {wish.image} has no {program}") from error
                raise
            return int(api.inspect_container(made["Id"])["State"]["Pid"])

    def _bounds_of(self, api: Any, wish: Wish) -> Any:
        cpus = wish.cpus if 0 < wish.cpus < self._cpu_count(api) else 0.0
        chips: dict[str, object] = {}
        if wish.devices:
            # libtpu locks its buffers in memory, and shares some between processes
            chips = {
                "devices": [f"{path}:{path}:rwm" for path in wish.devices],
                "cap_add": ["SYS_RESOURCE"],
                "ulimits": [docker.types.Ulimit(name="memlock", soft=-1, hard=-1)],
                "shm_size": 16 << 30,
            }
        return api.create_host_config(
            network_mode="host",
            init=True,  # the first process of a container hears no signal otherwise
            binds=[f"{folder}:{folder}" for folder in wish.mounts],
            nano_cpus=int(cpus * 1e9) or None,
            mem_limit=wish.memory_bytes or None,
            memswap_limit=wish.memory_bytes or None,
            log_config={"type": "none"},  # its output is a file of its folder
            **chips,
        )

    def _cpu_count(self, api: Any) -> int:
        self._cpus = self._cpus or int(api.info()["NCPU"])
        return self._cpus

    def wait(self, uid: str, *, is_watched: bool = True) -> End:
        """How it ends; returns once it has, however long the engine is away.

        `is_watched`: did somebody see it start, and nobody look away since?
        """
        is_unwatched = not is_watched and not self._is_running(uid)
        was_away = False
        while True:
            try:
                with _told():
                    self._api().wait(self.name_of(uid), timeout=None)
                    state = self._api().inspect_container(self.name_of(uid))["State"]
                if state["Status"] == "created":  # whoever made it never started it
                    return End(None, is_unwatched=True)
                if not state["Running"]:
                    status = int(state["ExitCode"])
                    missed = was_away and not self._left_alone(status)
                    return End(status, state["OOMKilled"], is_unwatched or missed)
            except NotThere:
                return End(None, is_unwatched=True)
            except IrisError:
                was_away = True
                threading.Event().wait(PAUSE)

    def _left_alone(self, status: int) -> bool:
        """Did what ran meanwhile end by itself, and not with the engine?"""
        with _told():
            keeps = bool(self._api().info()["LiveRestoreEnabled"])
        return keeps and status != UNKNOWN_STATUS

    def _is_running(self, uid: str) -> bool:
        with contextlib.suppress(IrisError), _told():
            found = self._api().inspect_container(self.name_of(uid))
            return bool(found["State"]["Running"])
        return False

    def signal(self, uid: str, name: str) -> None:
        """Signal its first process; one that does not run is fine."""
        with contextlib.suppress(IrisError), _told():
            self._api().kill(self.name_of(uid), name)

    def enter(
        self, uid: str, argv: tuple[str, ...], work: str, terminal: str
    ) -> tuple[str, Any]:
        """Run a visitor's command in a container: its id, and a socket for its streams.

        `terminal` is what TERM says there, empty without one. Raises IrisError.
        """
        with _told():
            made = self._api().exec_create(
                self.name_of(uid),
                list(argv),
                stdin=True,
                tty=bool(terminal),
                environment={"TERM": terminal} if terminal else None,
                workdir=work,
            )
            streams = self._api().exec_start(
                made["Id"], tty=bool(terminal), socket=True
            )
            plug = streams._sock
            plug.settimeout(None)
            return str(made["Id"]), plug

    def status_of_visit(self, visit_id: str) -> int:
        """How a visitor's command ended. Raises IrisError."""
        with _told():
            return int(self._api().exec_inspect(visit_id)["ExitCode"] or 0)

    def resize_visit(self, visit_id: str, rows: int, columns: int) -> None:
        """Its terminal has another size; one that has ended has none."""
        with contextlib.suppress(IrisError), _told():
            self._api().exec_resize(visit_id, rows, columns)

    def remove(self, uid: str, tries: int = 0) -> None:
        """End it and take it away; returns once it is not there, for certain.

        After so many tries it returns anyway, where a number is given.
        """
        for tried in itertools.count(1):
            try:
                with _told():
                    self._api().remove_container(self.name_of(uid), force=True, v=True)
            except NotThere:
                return
            except IrisError:
                if tried == tries:
                    return
                threading.Event().wait(PAUSE)

    def uids(self) -> list[str]:
        """The attempts of the VM whose containers are here. Raises IrisError."""
        with _told():
            ours = {"label": f"{VM_LABEL}={self._vm}"}
            found = self._api().containers(all=True, filters=ours)
        return [each["Labels"][UID_LABEL] for each in found]

    def has(self, image: str) -> bool:
        """Is the image here? Raises IrisError."""
        try:
            with _told():
                self._api().inspect_image(image)
        except NotThere:
            return False
        return True

    def uid_in(self, image: str) -> int:
        """As whom its programs run, by number. Raises IrisError."""
        if os.getuid():
            return os.getuid()  # we say so at the start
        with _told():
            user = self._api().inspect_image(image)["Config"].get("User") or "root"
        name = str(user).partition(":")[0]
        if name.isdigit():
            return int(name)
        return 0 if name == "root" else self._uid_of(name, image)

    def _uid_of(self, name: str, image: str) -> int:
        with _told():
            api = self._api()
            made = api.create_container(image=image, command=["true"])["Id"]
            try:
                blocks, _ = api.get_archive(made, "/etc/passwd")
                archive = io.BytesIO(b"".join(blocks))
            finally:
                api.remove_container(made, force=True, v=True)
        with tarfile.open(fileobj=archive) as files:
            passwd = files.extractfile("passwd")
            lines = passwd.read().decode(errors="replace") if passwd else ""
        for line in lines.splitlines():
            words = line.split(":")
            if words[0] == name and len(words) > 2 and words[2].isdigit():
                return int(words[2])
        raise EngineFailed(f"image {image} runs as {name!r}, whom it does not have")

    def pull(self, image: str, login: dict[str, str] | None) -> None:
        """Fetch an image. Raises IrisError in the registry's words."""
        with _told():
            name = ImageName.parse(image)
            for line in self._api().pull(
                name.place,
                name.digest or name.tag or "latest",
                stream=True,
                decode=True,
                auth_config=login,
            ):
                if "error" in line:
                    raise EngineFailed(str(line["error"]))

    def remove_image(self, image: str) -> bool:
        """Take it away, unless a container is made of it or the engine is away."""
        with contextlib.suppress(IrisError), _told():
            self._api().remove_image(image)
            return True
        return False

    def _api(self) -> Any:
        with self._lock:
            if self._client is None:
                self._client = docker.APIClient(
                    self._address,
                    version="auto",
                    timeout=ANSWER,
                    max_pool_size=CONNECTIONS,
                )
            return self._client


@contextlib.contextmanager
def _told() -> Iterator[None]:
    """What the library raises, as errors of ours."""
    try:
        yield
    except NotFound as error:
        raise NotThere(str(error.explanation)) from error
    except APIError as error:
        raise EngineFailed(str(error.explanation or error)) from error
    except (DockerException, requests.RequestException, OSError) as error:
        raise NoEngine(words_of_silence(error)) from error
