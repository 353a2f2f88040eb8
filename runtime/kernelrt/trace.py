"""A trace of what ran when, as Chrome and Perfetto read it (chrome://tracing, ui.perfetto.dev).

Format: the JSON array of complete events ("ph": "X") of the Trace Event Format; times in microseconds.
"""

import json
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass, field
from time import perf_counter


@dataclass(frozen=True, slots=True)
class Event:
    """`name` ran on `lane` ("GPU", "NPU") from `begin` to `end`, seconds of perf_counter, as the host saw it."""

    lane: str
    name: str
    begin: float
    end: float


@dataclass(slots=True)
class Trace:
    """Events in the order in which they ended."""

    events: list[Event] = field(default_factory=list[Event])

    def add(self, lane: str, name: str, begin: float) -> None:
        """What began at `begin` has ended now."""
        self.events.append(Event(lane, name, begin, perf_counter()))

    @contextmanager
    def span(self, lane: str, name: str) -> Generator[None, None, None]:
        """What the block does."""
        begin = perf_counter()
        yield
        self.add(lane, name, begin)

    def encode(self) -> bytes:
        """The trace as JSON."""
        lanes = sorted({event.lane for event in self.events})
        first = min((event.begin for event in self.events), default=0.0)
        named = [
            {"ph": "M", "name": "thread_name", "pid": 0, "tid": tid, "args": {"name": lane}}
            for tid, lane in enumerate(lanes)
        ]
        shown = [
            {
                "ph": "X",
                "name": event.name,
                "pid": 0,
                "tid": lanes.index(event.lane),
                "ts": (event.begin - first) * 1e6,
                "dur": (event.end - event.begin) * 1e6,
            }
            for event in self.events
        ]
        return json.dumps(named + shown).encode()
