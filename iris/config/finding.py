"""Where a cluster file lies: a path as given, then the examples."""

from __future__ import annotations

from difflib import get_close_matches
from pathlib import Path

from iris.config.model import ClusterConfig
from iris.config.parsing import parse_config
from iris.config.reading import MOST_BYTES
from iris.errors import BadClusterFile
from iris.paths import examples_folder


def find_config(name: str | Path) -> Path:
    """The cluster file that a person means. Raises BadClusterFile."""
    given = Path(name).expanduser()
    examples = examples_folder()
    for path in (given, examples / given):
        if path.is_file():
            return path
    if given.is_dir():
        raise BadClusterFile(f"{name}: a folder, not a cluster file")
    known = sorted(p.name for p in examples.glob("*.yaml"))
    near = get_close_matches(f"{given.stem}.yaml", known, n=1)
    words = f"the nearest example is {near[0]}" if near else f"examples: {known}"
    raise BadClusterFile(
        f"{name}: no such file, here or in {examples}",
        hint=f"Give a path, or the name of an example; {words}.",
    )


def load_config(path: str | Path) -> ClusterConfig:
    """The cluster file at exactly this path. Raises BadClusterFile."""
    return parse_config(read_text(path), str(path))


def read_text(path: str | Path) -> str:
    """The text of a cluster file, byte for byte. Raises BadClusterFile."""
    try:
        with Path(path).open("rb") as file:
            content = file.read(MOST_BYTES + 1)
    except OSError as error:
        raise BadClusterFile(f"{path}: {error.strerror or error}") from error
    if len(content) > MOST_BYTES:
        raise BadClusterFile(f"{path}: larger than {MOST_BYTES} bytes")
    try:
        return content.decode()
    except UnicodeDecodeError as error:
        words = f"byte {error.start} is not UTF-8 text"
        raise BadClusterFile(f"{path}: not a cluster file: {words}") from error
