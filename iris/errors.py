"""Every error that Iris raises on purpose, as one tree.

IrisError
├── UsageError              the words or the cluster file are wrong (exit 2)
│   ├── BadClusterFile      the cluster file does not say what it must
│   └── BadBundle           the working folder cannot travel as a bundle
├── JobRefused              a job that could never run, or whose spec is wrong
├── NoCluster               there is no such cluster, or no record of one
│   └── ClusterGone         it was there, and its state is deleted
├── FileDiffers             the cluster runs another version of its file
├── Held                    another process holds what only one may hold
├── PortTaken               something else listens on the address
├── StoreFailed             the database could not keep what it was given
│   └── DiskFull            the state disk has no room for anything new
├── NotAuthenticated        no token, or one that nobody knows
├── NotAllowed              the token's role does not allow it
├── NotThere                a job, slice, worker or bundle that is not there
├── Conflict                what is asked does not go with the state it meets
├── IllegalMove             a state machine was asked for a move it has not
├── Busy                    try again after a while
├── Unreachable             the controller does not answer
├── KeyChanged              a machine shows another SSH key than before
├── Late                    a deadline passed; says what was last seen
├── NoEngine                no container engine on this machine, or it is silent
├── EngineFailed            the container engine could not; its own words
├── FellShort               the command ran and the answer is no
└── CloudError              what a cloud refused, in its own words
    ├── NoQuota             no quota at all for this; retrying is useless
    ├── QuotaFull           the quota is used up; wait until something is freed
    ├── OutOfCapacity       the zone has none now; another zone, or later
    ├── RateLimited         too many calls; slow down
    ├── NotPermitted        the credentials may not
    ├── Unavailable         a passing fault
    ├── NotFound            the resource is not there
    ├── AlreadyExists       the name is taken
    ├── Rejected            the request itself is wrong
    └── Unknown             the answer cannot be read: look again
"""

from __future__ import annotations


class IrisError(Exception):
    """Something failed in a way that a person or a caller can act on."""

    exit_status = 1
    http_status = 500

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    @classmethod
    def code(cls) -> str:
        """The stable name on the wire: the class name in kebab case."""
        words = "".join(f"-{c.lower()}" if c.isupper() else c for c in cls.__name__)
        return words.lstrip("-")

    def __str__(self) -> str:
        return self.message


class UsageError(IrisError):
    """The words of a command, or a file it was given, are wrong."""

    exit_status = 2
    http_status = 400


class BadClusterFile(UsageError):
    """The cluster file does not say what it must."""


class BadBundle(UsageError):
    """The working folder cannot travel as a bundle."""


class JobRefused(IrisError):
    """The job could never run here, or its spec is wrong."""

    exit_status = 2
    http_status = 422


class NoCluster(IrisError):
    """There is no such cluster, or no record of one on this machine."""

    http_status = 404


class ClusterGone(NoCluster):
    """The cluster was there and is deleted, its state too: nobody comes back."""


class FileDiffers(IrisError):
    """The cluster runs another version of its cluster file."""

    http_status = 409


class Held(IrisError):
    """Another process holds what only one may hold."""

    http_status = 409


class PortTaken(IrisError):
    """Something else listens on the address."""


class StoreFailed(IrisError):
    """The database could not keep what it was given."""

    http_status = 507


class DiskFull(StoreFailed):
    """The state disk has no room for anything new."""


class NotAuthenticated(IrisError):
    """No token came with the request, or one that nobody knows."""

    http_status = 401


class NotAllowed(IrisError):
    """The token's role does not allow what was asked."""

    http_status = 403


class NotThere(IrisError):
    """The job, slice, worker or bundle that was named is not there."""

    http_status = 404


class Conflict(IrisError):
    """What is asked does not go with the state it meets."""

    http_status = 409


class IllegalMove(IrisError):
    """A state machine was asked for a move that it does not have."""

    http_status = 409


class Busy(IrisError):
    """All places are taken for the moment; try again after a while."""

    http_status = 503


class Unreachable(IrisError):
    """The controller does not answer."""

    http_status = 503


class KeyChanged(IrisError):
    """A machine shows another SSH key than the one that is pinned."""

    http_status = 502


class Late(IrisError):
    """A deadline passed; the message says what was last seen."""

    http_status = 504


class NoEngine(IrisError):
    """This machine has no container engine, or it does not answer."""

    http_status = 503


class EngineFailed(IrisError):
    """The container engine could not do it; the message keeps its own words."""


class FellShort(IrisError):
    """The command ran to its end, and the answer is no."""


class CloudError(IrisError):
    """A cloud refused; the message keeps the cloud's own words."""

    http_status = 502


class NoQuota(CloudError):
    """The project has no quota at all for this; retrying is useless."""


class QuotaFull(CloudError):
    """The quota is used up; growth waits until something is freed."""


class OutOfCapacity(CloudError):
    """The zone has none now; another zone may, or this one later."""


class RateLimited(CloudError):
    """Too many calls in a minute; every caller of the project slows down."""


class NotPermitted(CloudError):
    """The credentials do not allow the call."""


class Unavailable(CloudError):
    """A passing fault of the cloud; the same call may work soon."""


class NotFound(CloudError):
    """The resource is not there."""


class AlreadyExists(CloudError):
    """The name is taken by a resource that is not the one asked for."""


class Rejected(CloudError):
    """The request itself is wrong and will be refused again."""


class Unknown(CloudError):
    """The cloud's answer cannot be read; only another look can tell."""
