"""What holds for every cluster file, every duration and every size."""

from __future__ import annotations

import yaml
from hypothesis import given
from hypothesis import strategies as st

from iris.config import ClusterConfig, GroupConfig, from_dict, parse_config, to_dict
from iris.config.measures import Duration, Size, write_duration, write_size
from iris.config.model import (
    AutoscalerConfig,
    ControllerConfig,
    LocalConfig,
    ProviderConfig,
    RetentionConfig,
    WorkerConfig,
)
from iris.domain.accelerators import CATALOGUE
from iris.domain.jobs import Capacity
from iris.errors import BadClusterFile

durations = st.integers(1000, 10**8).map(lambda ms: ms / 1000)
names = st.from_regex(r"[a-z]([-a-z0-9]{0,10}[a-z0-9])?", fullmatch=True)
bounds = st.tuples(st.integers(0, 50), st.integers(1, 50)).map(sorted)

shapes = st.one_of(
    st.fixed_dictionaries({"accelerator": st.sampled_from(sorted(CATALOGUE))}),
    st.fixed_dictionaries({"machine_type": st.just("n2-standard-8")}),
    st.fixed_dictionaries(
        {
            "cpus": st.floats(0.001, 1e6, allow_nan=False),
            "memory": st.integers(1, 1 << 50),
        }
    ),
)


@st.composite
def groups(draw: st.DrawFn) -> GroupConfig:
    least, most = draw(bounds)
    return GroupConfig(
        **draw(shapes),
        zones=tuple(draw(st.lists(names, max_size=3, unique=True))),
        capacity=draw(st.sampled_from(Capacity)),
        min_slices=least,
        max_slices=max(most, 1),
        priority=draw(st.integers(-100, 100)),
        labels=draw(st.dictionaries(names, names, max_size=2)),
        scale_down_delay=draw(st.none() | durations),
        create_timeout=draw(durations),
        boot_timeout=draw(durations),
        delete_timeout=draw(durations),
    )


@st.composite
def configs(draw: st.DrawFn) -> ClusterConfig:
    suspect_after = draw(durations)
    return ClusterConfig(
        name=draw(names),
        provider=ProviderConfig(local=LocalConfig()),
        controller=ControllerConfig(port=draw(st.integers(0, 65535))),
        worker=WorkerConfig(
            suspect_after=suspect_after, lost_after=round(suspect_after + 1.0, 3)
        ),
        autoscaler=AutoscalerConfig(draw(durations), draw(durations)),
        retention=RetentionConfig(events=draw(st.integers(1000, 10**6))),
        scale_groups=draw(st.dictionaries(names, groups(), min_size=1, max_size=3)),
    )


@given(configs())
def test_what_is_written_is_read_back(config: ClusterConfig):
    written = to_dict(config)

    assert from_dict(written) == config
    assert parse_config(yaml.safe_dump(written)) == config


@given(st.text(max_size=200))
def test_no_text_gets_past_the_reader_or_breaks_it(text: str):
    words = ""
    try:
        parse_config(text)
    except BadClusterFile as fault:
        words = str(fault)

    assert "\n" not in words


@given(st.integers(0, 10**10))
def test_durations_read_back_to_the_millisecond(ms: int):
    assert Duration().read(write_duration(ms / 1000)) == ms / 1000


@given(st.integers(1, 1 << 60))
def test_sizes_read_back_to_the_byte(size: int):
    assert Size().read(write_size(size)) == size


def test_durations_and_sizes_are_written_as_people_write_them():
    assert [write_duration(s) for s in (0.0, 0.25, 90.0, 300.0, 5400.0)] == [
        *("0s", "250ms", "1m30s", "5m", "1h30m"),
    ]
    assert [write_size(b) for b in (1, 1500, 128 * 10**9, 1 << 40)] == [
        *("1B", "1500B", "128GB", "1TiB"),
    ]
    assert Duration().read("1.5h") == 5400.0
    assert Size().read("1.5GB") == 1_500_000_000
