"""Builds the two images that a cluster file names."""

from __future__ import annotations

from invoke.context import Context

from iris.commands._edge import CONFIG, DRY_RUN, JSON, command, show

WANTED = {
    "base": "What both stand on, best by digest; else a Python that is pulled or made.",
    "with-gcloud": "Google's command line in the controller's image too.",
}


@command(help=CONFIG | JSON | DRY_RUN | WANTED)
def build(
    c: Context,
    config: str | None = None,
    cluster: str | None = None,
    base: str = "",
    with_gcloud: bool = False,
    json: bool = False,
    dry_run: bool = False,
) -> None:
    """Build the controller's and the worker's image, unless they are built."""
    from iris.commands._building import built_text, progress
    from iris.commands._marks import open_session
    from iris.operations import images as operation

    session = open_session(config, cluster)
    wanted = operation.Wanted(base, with_gcloud)
    if dry_run:
        steps = operation.plan_build(session, wanted)
        return show(steps, "\n".join(f"would {step}" for step in steps), as_json=json)
    with progress() as say:
        built = operation.build(session, say, wanted)
    show(built, lambda: built_text(built), as_json=json)
