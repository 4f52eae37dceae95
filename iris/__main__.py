"""The program `iris`: the same commands as `inv`, from any folder."""

from __future__ import annotations

import sys

from iris.commands._starting import invoke_without_tests


def main() -> None:
    """Run one command. An interrupt ends it quietly, from its first import on."""
    try:
        with invoke_without_tests():
            from iris.commands._program import run
        run()
    except KeyboardInterrupt:
        sys.exit(130)


if __name__ == "__main__":
    main()
