"""A metadata server for the project itself: tokens for whoever has no VM."""

from __future__ import annotations

from iris.emulator.machines import Vm
from iris.emulator.parts import Parts
from iris.emulator.process.metadata import PORT, MetadataServer
from iris.emulator.process.tree import Shown, tree_of

CLOUD_PLATFORM = "https://www.googleapis.com/auth/cloud-platform"


class ProjectMetadata:
    """As a VM of the project would see it, one that never boots."""

    def __init__(self, parts: Parts, address: str, project: str, zone: str) -> None:
        found = parts.projects.get(project)
        account = parts.projects.default_account(project)
        vm = Vm(
            id="1",
            name="project-metadata",
            project=project,
            project_number=found.number,
            zone=zone,
            machine_type="e2-micro",
            internal_ip=address,
            service_account=account,
            scopes=(CLOUD_PLATFORM,),
        )

        def mint(scopes: tuple[str, ...]) -> dict[str, object]:
            token, seconds = parts.access.mint(account, scopes or vm.scopes, project)
            kind = {"token_type": "Bearer"}
            return {"access_token": token, "expires_in": int(seconds), **kind}

        self._server = MetadataServer(
            address,
            lambda: tree_of(vm, Shown()),
            mint=mint,
            is_away=lambda: False,
            pull=lambda _: "",
            write_guest=lambda *_: False,
        )
        self.url = f"http://{address}:{PORT}/"

    def close(self) -> None:
        """Answer nobody any more."""
        self._server.close()
