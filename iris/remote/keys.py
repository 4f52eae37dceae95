"""The key that lets a person into the VMs of a cluster."""

from __future__ import annotations

from pathlib import Path

from iris.config.cloud import SshConfig
from iris.errors import NotAllowed
from iris.files import make_private, write_private

NAME = "ssh_key"


def key_file(folder: Path, config: SshConfig) -> Path:
    """Where the private key lies: the person's own, or the cluster's."""
    return Path(config.key).expanduser().absolute() if config.key else folder / NAME


def ensure_key(folder: Path, config: SshConfig) -> Path:
    """The private key; the cluster's own is made where there is none."""
    path = key_file(folder, config)
    if not path.exists():
        if config.key:
            raise _missing(path)
        make_private(folder)
        _make(path)
    return path


def authorized_line(folder: Path, config: SshConfig) -> str:
    """`USER:TYPE KEY USER` for a VM's metadata; empty without a key, or by OS Login."""
    if config.os_login:
        return ""
    try:
        words = public_file(key_file(folder, config)).read_text().split()
    except OSError:
        return ""
    return f"{config.user}:{' '.join(words[:2])} {config.user}"


def public_file(path: Path) -> Path:
    """The public key beside a private one."""
    return path.with_name(f"{path.name}.pub")


def require_key(path: Path) -> None:
    """Raise NotAllowed where the key is not there: nobody is asked for one."""
    if not path.is_file():
        raise _missing(path)


def _make(path: Path) -> None:
    from cryptography.hazmat.primitives import serialization as to
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    key = Ed25519PrivateKey.generate()
    private = key.private_bytes(
        to.Encoding.PEM, to.PrivateFormat.OpenSSH, to.NoEncryption()
    )
    public = key.public_key().public_bytes(to.Encoding.OpenSSH, to.PublicFormat.OpenSSH)
    # the public half first: whoever finds the private one finds both
    write_private(public_file(path), public + b" iris\n")
    write_private(path, private)


def _missing(path: Path) -> NotAllowed:
    return NotAllowed(
        f"there is no SSH key {path}",
        hint="Only the machine that started a cluster has its key. `ssh: {key: FILE}` "
        "in the cluster file names another that its VMs know.",
    )
