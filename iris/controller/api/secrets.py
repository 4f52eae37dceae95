"""Secrets: people put them, the worker of an attempt gets them, nobody else."""

from __future__ import annotations

import logging

from iris.controller.api.route import (
    KIB,
    OPERATORS,
    USERS,
    WORKERS,
    Call,
    NoQuery,
    Routes,
    Service,
)
from iris.domain.pages import AttemptSecrets, Page, SecretValue, SecretView

routes = Routes()
_LOG = logging.getLogger(__name__)


@routes.add("GET", "/v1/secrets", roles=USERS, answer=Page[SecretView])
def list_secrets(call: Call[None, NoQuery]) -> Page[SecretView]:
    """The names of the cluster's secrets."""
    return Page(call.parts.secrets.all())


@routes.add(
    *("PUT", "/v1/secrets/{name}"),
    roles=OPERATORS,
    body=SecretValue,
    most_bytes=512 * KIB,
    answer=SecretView,
)
def put_secret(call: Call[SecretValue, NoQuery]) -> SecretView:
    """Keep a secret for all jobs; attempts that start from now on get it."""
    call.parts.disk.require_room()
    view = call.parts.secrets.put(call.params["name"], call.body.value)
    _LOG.info("secret put name=%s user=%s", view.name, call.caller.user)
    return view


@routes.add("DELETE", "/v1/secrets/{name}", roles=OPERATORS)
def delete_secret(call: Call[None, NoQuery]) -> None:
    """Forget one of the cluster's secrets."""
    call.parts.secrets.delete(call.params["name"])
    _LOG.info("secret deleted name=%s user=%s", call.params["name"], call.caller.user)


@routes.add(
    *("GET", "/v1/attempts/{uid}/secrets"),
    roles=WORKERS,
    answer=AttemptSecrets,
    service=Service.RESERVE,
)
def get_attempt_secrets(call: Call[None, NoQuery]) -> AttemptSecrets:
    """What an attempt of this worker was promised."""
    worker_uid = call.caller.worker_uid
    return AttemptSecrets(call.parts.secrets.values_for(call.params["uid"], worker_uid))
