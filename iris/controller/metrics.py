"""What Prometheus reads: counters of the API, and counts taken from State."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable

from prometheus_client import CollectorRegistry, Histogram, generate_latest
from prometheus_client import Counter as CounterMetric
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from iris.controller.logs import LogStore
from iris.controller.state import State
from iris.domain.disk import DiskUse
from iris.domain.retention import WhyGone
from iris.domain.views import LoopHealth


class Metrics:
    """A registry of its own; nothing is shared between two controllers."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.requests = CounterMetric(
            "iris_http_requests",
            "Answers of the API.",
            ("route", "status"),
            registry=self.registry,
        )
        self.seconds = Histogram(
            "iris_http_request_seconds",
            "Time to an answer, the wait for its durability included.",
            ("route",),
            buckets=(0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1.0, 3.0, 10.0),
            registry=self.registry,
        )
        self.heartbeats = CounterMetric(
            "iris_heartbeats", "Heartbeats of workers.", registry=self.registry
        )
        self.log_bytes = CounterMetric(
            "iris_log_bytes", "Output received from workers.", registry=self.registry
        )

        self.forgotten = CounterMetric(
            "iris_jobs_forgotten",
            "Ended jobs that are kept no longer.",
            registry=self.registry,
        )
        self._dropped = CounterMetric(
            "iris_dropped_bytes",
            "Bytes that went by a bound, or were never kept.",
            ("what", "why"),
            registry=self.registry,
        )

    def note_dropped(self, what: str, why: WhyGone, size: int) -> None:
        """So many bytes of logs or outputs are gone."""
        self._dropped.labels(what, why.name.lower().replace("_", "-")).inc(size)

    def watch(self, source: Collector) -> None:
        """Ask a source for its numbers at each look."""
        self.registry.register(source)

    def text(self) -> bytes:
        """All numbers in Prometheus's format."""
        return generate_latest(self.registry)


class StateNumbers(Collector):
    """Entities by state, and how far the journal is."""

    def __init__(self, state: State) -> None:
        self._state = state

    def collect(self) -> Iterable[Metric]:
        with self._state.reading() as tables:
            slices = Counter(str(s.state) for s in tables.slices.values())
            workers = Counter(str(w.state) for w in tables.workers.values())
            attempts = Counter(str(a.state) for a in tables.attempts.values())
            tasks: Counter[str] = Counter()
            for job_tasks in tables.tasks.values():
                tasks.update({str(k): n for k, n in job_tasks.counts().items()})
            jobs = len(tables.jobs)
        yield GaugeMetricFamily("iris_live_jobs", "Jobs not ended.", jobs)
        yield _by_state("iris_tasks", "Tasks of live jobs.", tasks)
        yield _by_state("iris_attempts", "Live attempts.", attempts)
        yield _by_state("iris_slices", "Slices not deleted.", slices)
        yield _by_state("iris_workers", "Workers.", workers)
        yield CounterMetricFamily(
            "iris_seq", "The newest sequence number.", self._state.seq
        )


class DiskNumbers(Collector):
    """How full the state disk is, and what is on it."""

    def __init__(self, use: Callable[[], DiskUse], logs: LogStore) -> None:
        self._use = use
        self._logs = logs

    def collect(self) -> Iterable[Metric]:
        use = self._use()
        logs = sum(self._logs.sizes().values())
        for name, words, value in (
            ("iris_disk_total_bytes", "Size of the state disk.", use.total_bytes),
            ("iris_disk_free_bytes", "What is free of it.", use.free_bytes),
            ("iris_kept_log_bytes", "Logs of all jobs, on disk.", logs),
        ):
            yield GaugeMetricFamily(name, words, value)


class LoopNumbers(Collector):
    """How each loop does."""

    def __init__(self, loops: Callable[[], tuple[LoopHealth, ...]]) -> None:
        self._loops = loops

    def collect(self) -> Iterable[Metric]:
        late = GaugeMetricFamily(
            "iris_loop_late_seconds", "How late a loop is.", labels=("loop",)
        )
        turns = CounterMetricFamily(
            "iris_loop_turns", "Turns of a loop.", labels=("loop",)
        )
        errors = CounterMetricFamily(
            "iris_loop_errors", "Turns that failed.", labels=("loop",)
        )
        for loop in self._loops():
            late.add_metric((loop.name,), loop.late_seconds)
            turns.add_metric((loop.name,), loop.turns)
            errors.add_metric((loop.name,), loop.errors)
        return late, turns, errors


def _by_state(name: str, words: str, counts: Counter[str]) -> GaugeMetricFamily:
    family = GaugeMetricFamily(name, words, labels=("state",))
    for state, count in sorted(counts.items()):
        family.add_metric((state,), count)
    return family
