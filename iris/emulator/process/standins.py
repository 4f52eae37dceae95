"""Programs that a VM finds first on its PATH, in place of what only root may do."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path

HERE = Path(__file__).parent
# A disk is a folder; `.formatted` in it says that it has a file system. What it is
# mounted over stays below it. The journal is what startup scripts said.
_SHELL = {
    "blkid": """
for disk in "$@"; do :; done
[ -e "$disk/.formatted" ] && echo "$disk: TYPE=\\"ext4\\"" || exit 2
""",
    "mkfs.ext4": """
for disk in "$@"; do :; done
mkdir -p "$disk/content" && touch "$disk/.formatted"
""",
    "mount": """
for target in "$@"; do disk="${last:-}"; last="$target"; done
[ -e "$disk/.formatted" ] || { echo "mount: $disk: wrong fs type" >&2; exit 32; }
[ -L "$target" ] && { echo "mount: $target: already mounted" >&2; exit 32; }
mv -T "$target" "$target.below" || exit 32
ln -s "$(readlink -f "$disk")/content" "$target"
echo "$target" >>"$IRIS_EMULATED_VM/mounts"
""",
    "umount": """
for target in "$@"; do :; done
[ -L "$target" ] && rm "$target" && mv -T "$target.below" "$target"
""",
    "mountpoint": """
for target in "$@"; do :; done
[ -L "$target" ]
""",
    "findmnt": """
for target in "$@"; do :; done
[ -L "$target" ] && echo "$target $(readlink "$target") ext4 rw"
""",
    "journalctl": """
lines=10000
while [ $# -gt 0 ]; do
    [ "$1" = -n ] && lines="$2"
    shift
done
tail -n "$lines" "$IRIS_EMULATED_VM/startup.log"
""",
    "sudo": """
while [ $# -gt 0 ]; do
    case "$1" in
    -u) shift 2 ;;
    --) shift; break ;;
    -*) shift ;;
    *) break ;;
    esac
done
exec "$@"
""",
}


def write_standins(folder: Path) -> None:
    """Put them there."""
    folder.mkdir(parents=True, exist_ok=True)
    # without site-packages it starts at once; only this package is on its path
    program = (
        f"import sys; sys.path.insert(0, {str(HERE.parents[2])!r}); "
        "from iris.emulator.process.docker import program; "
        "sys.exit(program(sys.argv[1:]))"
    )
    python = f"exec {shlex.quote(sys.executable)} -I -S -c {shlex.quote(program)}"
    texts = {**_SHELL, "docker": f'{python} "$@"\n'}
    for name, text in texts.items():
        file = folder / name
        file.write_text(f"#!/bin/sh\n{text.lstrip()}")
        file.chmod(0o755)
