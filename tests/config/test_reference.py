"""The reference file shows every key, and the page is made from it."""

from __future__ import annotations

from pathlib import Path

import yaml

from iris.config.reference import lines, render_reference
from iris.paths import examples_folder

DOCS = Path(__file__).resolve().parents[2] / "docs"


def test_the_page_is_up_to_date():
    page = (DOCS / "config.md").read_text()

    assert page == render_reference(), "run: python -m iris.config > docs/config.md"


def test_every_key_stands_in_the_reference_file_with_a_comment():
    assert all(line.comment for line in lines())


def test_defaults_in_the_comments_are_those_of_the_code():
    written_lines = (examples_folder() / "reference.yaml").read_text().splitlines()
    text = " ".join(
        " ".join(each.strip().removeprefix("#") for each in written_lines).split()
    )

    written = [line.default.strip("`") for line in lines() if "`" in line.default]

    assert len(written) > 10
    for default in written:
        assert f"Default {default}." in text


def test_values_at_their_default_are_what_the_code_has():
    reference = yaml.safe_load((examples_folder() / "reference.yaml").read_text())
    wanted = {line.path: line.default for line in lines() if "`" in line.default}

    for section in ("controller", "worker", "autoscaler", "retention", "ssh"):
        for key, value in reference[section].items():
            if (default := wanted.get(f"{section}/{key}")) is not None:
                assert yaml.safe_load(default.strip("`")) == value
