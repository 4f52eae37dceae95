"""A VM whose attempts are containers of a real engine."""

from __future__ import annotations

from pathlib import Path

from iris.domain.containers import UID_LABEL, VM_LABEL
from iris.processes import send
from tests.support.vm import Vm


class ContainerVm(Vm):
    """A VM whose attempts are containers of this machine's engine."""

    def __init__(self, root: Path, engine, image: str) -> None:
        self.engine = engine
        self.image = image
        super().__init__(root, runtime="docker", image=image)

    def containers(self) -> list[str]:
        """The attempts whose containers are here, whatever state they are in."""
        return self._found('{{.Label "' + UID_LABEL + '"}}')

    def _found(self, form: str, *filters: str) -> list[str]:
        words = ["ps", "--all", "--format", form]
        for each in (f"label={VM_LABEL}={self.root}", *filters):
            words += ["--filter", each]
        return self.engine.try_(*words).out.split()

    def inspect(self, uid: str, what: str) -> str:
        found = self._found("{{.ID}}", f"label={UID_LABEL}={uid}")
        return self.engine.try_("inspect", "--format", what, *found).out.strip()

    def restart_keeper(self) -> None:
        """As the engine does for a container with --restart=always."""
        send(self.keeper.pid)
        self.keeper.wait()
        self.keeper = self.start_keeper()

    def close(self) -> None:
        self.keeper.kill()
        self.keeper.wait()
        for container in self._found("{{.ID}}"):
            self.engine.try_("rm", "--force", container)
        super().close()
