"""Prometheus figures of the county, read from its store at each scrape.

A town's id is a label, nothing else of it. docs/county.md and config/monitoring name the figures.
"""

from collections.abc import Callable, Iterator, Mapping
from datetime import timedelta

from prometheus_client import CollectorRegistry
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector
from typing_extensions import override

from patrol.county.overview import Contact, CountyReader, clock_off_s, contact_age, contact_of
from patrol.county.store import TownState
from patrol.store.engine import StoreUnavailable

Counts = Mapping[tuple[str, str], int]


def county_registry(
    read: Callable[[], CountyReader], counts: Callable[[], Counts]
) -> CollectorRegistry:
    """The registry to be scraped; `counts`: turns by town and result since the start."""
    registry = CollectorRegistry()
    registry.register(_CountyCollector(read, counts))
    return registry


class _CountyCollector(Collector):
    def __init__(self, read: Callable[[], CountyReader], counts: Callable[[], Counts]) -> None:
        self._read, self._counts = read, counts

    @override
    def collect(self) -> Iterator[Metric]:
        try:
            reader = self._read()
            found = reader.store.states()
        except StoreUnavailable:
            yield GaugeMetricFamily("patrol_county_store_up", "The database answers.", value=0)
            return
        yield GaugeMetricFamily("patrol_county_store_up", "The database answers.", value=1)
        towns = [town.id for town in reader.settings.towns]
        states = {town: found.get(town, TownState(town=town)) for town in towns}
        ages = {
            town: contact_age(state, reader.now, reader.contacted_ago.get(town))
            for town, state in states.items()
        }
        yield from _contact(reader, states, ages)
        yield from _content(states)
        pulls = CounterMetricFamily(
            "patrol_county_pulls", "Turns by what became of them.", labels=["town", "result"]
        )
        for (town, result), count in sorted(dict(self._counts()).items()):
            pulls.add_metric([town, result], count)
        yield pulls


def _contact(
    reader: CountyReader,
    states: Mapping[str, TownState],
    ages: Mapping[str, timedelta | None],
) -> Iterator[Metric]:
    age = _gauge("contact_age_seconds", "Since the town was last heard; none: never.")
    silent = _gauge("silent", "1 while the town has not been heard of for silent_after_min.")
    failing = _gauge("failures", "Turns in a row at which the town could not be read.")
    off = _gauge("clock_off_seconds", "By how much the town's clock was ahead when it was heard.")
    behind = _gauge("catching_up", "1 while a log that began anew is not read to its end.")
    for town, state in states.items():
        contact = contact_of(state, ages[town], reader.settings.pull.silent_after)
        contacted = ages[town]
        if contacted is not None:
            age.add_metric([town], contacted.total_seconds())
        silent.add_metric([town], contact in (Contact.SILENT, Contact.NEVER))
        failing.add_metric([town], state.failures)
        seconds = clock_off_s(state)
        if seconds is not None:
            off.add_metric([town], seconds)
        behind.add_metric([town], state.catching_up)
    yield from (age, silent, failing, off, behind)


def _content(states: Mapping[str, TownState]) -> Iterator[Metric]:
    overdue = GaugeMetricFamily(
        "patrol_county_overdue_cases", "Overdue cases when last heard.", labels=["town", "level"]
    )
    cameras = GaugeMetricFamily(
        "patrol_county_cameras", "Cameras by health when last heard.", labels=["town", "state"]
    )
    for town, state in states.items():
        if state.now is None:
            continue
        for level, count in state.now.overdue.by_level.items():
            overdue.add_metric([town, str(level)], count)
        for name in ("online", "faulty", "offline", "left_out"):
            cameras.add_metric([town, name], getattr(state.now.health, name))
    yield from (overdue, cameras)


def _gauge(name: str, text: str) -> GaugeMetricFamily:
    return GaugeMetricFamily(f"patrol_county_town_{name}", text, labels=["town"])
