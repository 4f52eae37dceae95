"""A container engine of a test's own, which it may kill, restart and fill."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from pathlib import Path

from iris.images.engine import Engine
from tests.support.eventually import eventually

UP_WITHIN = 30.0  # seconds
GONE_WITHIN = 30.0


class OwnEngine(Engine):
    """Beside the machine's; nothing of it is left after `close`."""

    def __init__(self) -> None:
        # short: the address of a socket has at most 107 letters
        self.folder = Path(tempfile.mkdtemp(prefix="iris-engine-"))
        self.address = f"unix://{self.folder}/s"
        super().__init__(os.environ | {"DOCKER_HOST": self.address})
        self._process: subprocess.Popen[bytes] | None = None

    def start(self, *flags: str) -> None:
        """Return once it answers."""
        # in a network of its own: without a bridge it takes away that of the machine's
        words = ["unshare", "--net", "dockerd", "--host", self.address]
        words += ["--bridge=none", "--iptables=false"]
        for flag, name in (("data-root", "d"), ("exec-root", "x"), ("pidfile", "p")):
            words += [f"--{flag}", str(self.folder / name)]
        with (self.folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                [*words, *flags], stdout=log, stderr=log, start_new_session=True
            )
        eventually(lambda: self.try_("version").status == 0, within=UP_WITHIN)

    def stop(self) -> None:
        """As for an update of itself."""
        if self._process is not None:
            self._process.terminate()
            self._process.wait(GONE_WITHIN)
            self._process = None

    def take_image(self, engine: Engine, name: str) -> None:
        """Have an image that another engine has."""
        file = self.folder / "image.tar"
        engine.run("save", "--output", str(file), name, about="save", deadline=60.0)
        self.run("load", "--input", str(file), about="load", deadline=60.0)
        file.unlink()

    def close(self) -> None:
        ran = self.try_("ps", "--all", "--quiet").out.split()
        if ran:
            self.try_("rm", "--force", *ran)
        self.stop()
        # what it has mounted for containers that share a network, and for itself
        words = ["findmnt", "--raw", "--noheadings", "--output", "TARGET"]
        mounts = subprocess.run(words, capture_output=True, text=True, check=True)
        for place in reversed(mounts.stdout.splitlines()):
            if place.startswith(f"{self.folder}/"):
                subprocess.run(["umount", place], check=True)
        shutil.rmtree(self.folder)
