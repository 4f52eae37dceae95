"""All namespaces in one collection, for `inv` and for the program `iris`."""

from __future__ import annotations

from invoke.collection import Collection

from iris.commands import (
    cleanup,
    cluster,
    dev,
    job,
    probe,
    rehearse,
    tunnel,
    validate,
    worker,
)
from iris.commands._edge import refuse_misplaced_config


def assemble() -> Collection:
    """The collection of every command that there is."""
    refuse_misplaced_config()
    namespace = Collection(cleanup.cleanup, validate.validate, tunnel.tunnel)
    for module in (cluster, job, worker, rehearse, dev):
        namespace.add_collection(Collection.from_module(module))
    namespace.add_collection(probe.namespace())
    return namespace
