"""The words and numbers that may stand in a cluster file, by what they name."""

from __future__ import annotations

import msgspec

from iris.config.kinds import Refused, Text, Whole

MOST = 1_000_000_000
ZONE = Text(r"[a-z]([-a-z0-9]{0,61}[a-z0-9])?", "a zone such as europe-west4-b")
LABEL_NAME = Text(
    r"[a-z]([-_./a-z0-9]{0,61}[a-z0-9])?",
    "names of lower-case letters, digits and -_./, at most 63",
)
LABEL_WORDS = Text(
    r"[-_.a-z0-9A-Z]{0,63}", "text of letters, digits and -_. (a number in quotes)"
)
# What Google Cloud takes as a resource's label; the names of ours start with iris-.
OWNER_LABEL_NAME = Text(
    r"(?!iris-)[a-z][-_a-z0-9]{0,62}",
    "names of lower-case letters, digits, - and _, at most 63, none starting iris-",
)
OWNER_LABEL_WORDS = Text(
    r"[-_a-z0-9]{0,63}", "text of lower-case letters, digits, - and _"
)
NOT_NEGATIVE = Whole(0, MOST, "a whole number of 0 or more")
ABOVE_ZERO = Whole(1, MOST, "a whole number above 0")
ANY_WHOLE = Whole(-MOST, MOST, "a whole number")
PORT = Whole(1, 65535, "a port from 1 to 65535")
TOKEN = Text(r"[a-z0-9][-.a-z0-9]{0,62}", "lower-case letters, digits, - and .")
PROJECT = Text(
    r"([a-z0-9.-]+:)?[a-z][-a-z0-9]{4,28}[a-z0-9]", "a project's id such as my-lab-1"
)
NETWORK = Text(
    r"(projects/[-a-z0-9:.]+/global/networks/)?[a-z]([-a-z0-9]*[a-z0-9])?",
    "a network's name, or projects/P/global/networks/NAME",
)
SUBNETWORK = Text(
    r"(projects/[-a-z0-9:.]+/regions/[-a-z0-9]+/subnetworks/)?"
    r"[a-z]([-a-z0-9]*[a-z0-9])?",
    "a subnetwork's name, or projects/P/regions/R/subnetworks/NAME",
)
TAG = Text(r"[a-z]([-a-z0-9]{0,61}[a-z0-9])?", "a network tag")
SCOPE = Text(
    r"https://www\.googleapis\.com/auth/[-_.a-z0-9]+",
    "a scope such as https://www.googleapis.com/auth/cloud-platform",
)
SERVICE_ACCOUNT = Text(
    r"[-a-z0-9.]+@[-a-z0-9.]+\.gserviceaccount\.com",
    "a service account's address, ....gserviceaccount.com",
)
IMAGE = Text(
    r"[a-zA-Z0-9][-_./a-zA-Z0-9]*(:[0-9]+/[-_./a-zA-Z0-9]+)?"
    r"(:[-_.a-zA-Z0-9]+)?(@sha256:[0-9a-f]{64})?",
    "a container image such as HOST/PROJECT/REPOSITORY/NAME:TAG",
)
BOOT_IMAGE = Text(
    r"projects/[-a-z0-9:.]+/global/images/(family/)?[-a-z0-9]+",
    "an image such as projects/debian-cloud/global/images/family/debian-12",
)
DISK_TYPE = Text(r"(pd|hyperdisk)-[a-z]+", "a disk type such as pd-balanced")
USER = Text(r"[a-z_][-a-z0-9_]{0,31}", "a user's name on the VMs")
LINE = Text(r"[^\x00-\x1f\x7f]{1,1000}", "one line of text")


class Flag(msgspec.Struct, frozen=True):
    """Yes or no."""

    expected: str = "true or false"

    def read(self, raw: object) -> bool:
        if not isinstance(raw, bool):
            raise Refused(self.expected, raw)
        return raw

    def write(self, value: object) -> object:
        return value
