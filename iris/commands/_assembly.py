"""All namespaces in one collection, for `inv` and for the program `iris`."""

from __future__ import annotations

from invoke.collection import Collection

from iris.commands import (
    access,
    build,
    cleanup,
    cluster,
    dev,
    job,
    probe,
    push,
    rehearse,
    results,
    secret,
    tunnel,
    validate,
    worker,
)
from iris.commands._edge import refuse_misplaced_config


def assemble() -> Collection:
    """The collection of every command that there is."""
    refuse_misplaced_config()
    namespace = Collection(build.build, push.push)
    for task in (cleanup.cleanup, validate.validate, tunnel.tunnel):
        namespace.add_task(task)
    for module in (cluster, job, secret, access, worker, rehearse, dev):
        namespace.add_collection(Collection.from_module(module))
    for task in (results.fetch, results.logs):
        namespace.collections["job"].add_task(task)
    namespace.add_collection(probe.namespace())
    return namespace
