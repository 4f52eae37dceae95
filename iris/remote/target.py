"""Where SSH goes, as whom, and what is proven there."""

from __future__ import annotations

import msgspec


class Target(msgspec.Struct, frozen=True):
    """One machine that answers SSH."""

    name: str  # its key is pinned under it: of this very machine, never of a namesake
    address: str
    port: int
    user: str
    key: str  # the file with the private key
    pins: str  # the file with the keys of machines met before
    proxy_command: str = ""  # %h and %p stand for address and port
    identity: str = ""  # "TYPE KEY" as the cloud told it; empty: pinned at first sight
    loopback_only: bool = False  # a rehearsal speaks to this machine alone
    through: str = ""  # the folder of a tunnel whose far end dials for us


class Destination(msgspec.Struct, frozen=True):
    """A controller behind SSH: how to get there, and who must answer there."""

    target: Target
    address: str  # of its API as seen from its own machine
    port: int
    cluster: str
    cluster_uid: str
