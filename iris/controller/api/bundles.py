"""Bundles: users put them, workers get them."""

from __future__ import annotations

from pathlib import Path
from typing import BinaryIO

from iris.controller.api.route import (
    MIB,
    USERS,
    Call,
    Media,
    NoQuery,
    Routes,
)
from iris.domain.access import Role
from iris.domain.pages import BundleKept

MOST_BYTES = 128 * MIB  # packed; `job.run` refuses more than 100 MB before that
MAY_READ = frozenset({Role.OPERATOR, Role.USER, Role.WORKER})
routes = Routes()


@routes.add(
    *("GET", "/v1/bundles/{sha256}"), roles=MAY_READ, answer=bytes, media=Media.BYTES
)
@routes.add(  # declared before GET, whose rule would take HEAD as well
    *("HEAD", "/v1/bundles/{sha256}"), roles=MAY_READ, for_jobs=True, media=Media.BYTES
)
def get_bundle(call: Call[None, NoQuery]) -> Path:
    """A bundle's bytes."""
    return call.parts.bundles.path(call.params["sha256"])


@routes.add(
    *("PUT", "/v1/bundles/{sha256}"),
    roles=USERS,
    for_jobs=True,
    body=bytes,
    most_bytes=MOST_BYTES,
    answer=BundleKept,
)
def put_bundle(call: Call[BinaryIO, NoQuery]) -> BundleKept:
    """Keep a bundle under the SHA-256 of its bytes. Raises DiskFull."""
    sha256 = call.params["sha256"]
    if not call.parts.bundles.has(sha256):
        call.parts.disk.require_room()
    return BundleKept(sha256, call.parts.bundles.keep(sha256, call.body))
