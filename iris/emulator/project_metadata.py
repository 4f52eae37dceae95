"""A metadata server for the project itself: tokens for whoever has no VM."""

from __future__ import annotations

from typing import Any

from iris.emulator.machines import Vm
from iris.emulator.parts import Parts
from iris.emulator.process.metadata import PORT, MetadataServer
from iris.emulator.process.tree import Shown, Tree, tree_of

CLOUD_PLATFORM = "https://www.googleapis.com/auth/cloud-platform"


class ProjectMetadata:
    """As a VM of the project would see it, one that never boots."""

    def __init__(self, parts: Parts, address: str, project: str, zone: str) -> None:
        self._parts = parts
        self._vm = Vm(
            id="1",
            name="project-metadata",
            project=project,
            project_number=parts.projects.get(project).number,
            zone=zone,
            machine_type="e2-micro",
            internal_ip=address,
            service_account=parts.projects.default_account(project),
            scopes=(CLOUD_PLATFORM,),
        )
        self._server = MetadataServer(address, self)
        self.url = f"http://{address}:{PORT}/"

    def close(self) -> None:
        """Answer nobody any more."""
        self._server.close()

    def tree(self) -> Tree:
        """All that is shown."""
        return tree_of(self._vm, Shown())

    def minted(self, scopes: tuple[str, ...]) -> dict[str, Any] | None:
        """A token of the project's own account."""
        vm = self._vm
        token, life = self._parts.access.mint(
            vm.service_account, scopes or vm.scopes, vm.project
        )
        kind = {"token_type": "Bearer"}
        return {"access_token": token, "expires_in": int(life), **kind}

    def is_away(self) -> bool:
        """It always answers."""
        return False

    def pulled(self, image: str) -> str:
        """Nothing is pulled here, and nothing denied."""
        return ""

    def write_guest(self, space: str, key: str, value: str) -> bool:
        """There is no guest."""
        return False
