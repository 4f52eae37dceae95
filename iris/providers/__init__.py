"""Where slices come from: one module, one provider."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path

from iris.clock import Clock
from iris.config import ClusterConfig
from iris.errors import BadClusterFile
from iris.providers.contract import Provider, Surroundings


def load_provider(
    config: ClusterConfig,
    cluster_uid: str,
    clock: Clock,
    surroundings: Surroundings = Surroundings(),
) -> Provider:
    """The provider that the cluster file names. Raises BadClusterFile."""
    kind = config.provider.kind
    if kind not in known_providers():
        raise BadClusterFile(
            f"provider: there is none named {kind!r}",
            hint=f"There is: {', '.join(known_providers())}.",
        )
    made: Provider = import_module(f"iris.providers.{kind}").Provider(
        config, cluster_uid, clock, surroundings
    )
    return made


def known_providers() -> tuple[str, ...]:
    """The modules and packages of this folder that are providers."""
    found = (path.stem for path in Path(__file__).parent.iterdir())
    return tuple(sorted(n for n in found if n[0] not in "_." and n != "contract"))
