"""Why nothing goes on: who waits for what, who could give it, and where that chain closes or ends."""

from collections.abc import Iterable

from kernelrt.npu.place import Place
from kernelrt.npu.sim.cascade import CascadeLink
from kernelrt.npu.sim.dma import Channel, ToMemory, ToStream
from kernelrt.npu.sim.locks import SimLock
from kernelrt.npu.sim.scheduler import Actor, Wait
from kernelrt.npu.sim.streams import Sink

_MOST = 12  # other actors that the message names


def explain(host: Actor, actors: Iterable[Actor], file: str) -> str:
    """One line: the chain from the host on, then who else is blocked."""
    chain, closes = _chain(host)
    text = "deadlock: " + ", ".join(_waits(actor, file) for actor in chain)
    last = chain[-1]
    if closes is not None:
        text += (
            f": it waits for {closes.name}, and so for itself" if closes is last else f": {closes.name} again, a cycle"
        )
    elif last.waiting is None or not _givers(last):
        text += f": {_hopeless(last)}"
    others = [a for a in actors if a not in chain and a.waiting is not None and a.waiting.kind not in ("idle", "data")]
    if others:
        more = f"; and {len(others) - _MOST} more" if len(others) > _MOST else ""
        text += "; also blocked: " + "; ".join(_waits(actor, file) for actor in others[:_MOST]) + more
    return text


def _chain(host: Actor) -> tuple[list[Actor], Actor | None]:
    """Actors, each waiting for what the next could give, and the one where it closes. The first that closes wins, for
    others wait only behind it; else the longest way."""
    best: list[Actor] = [host]
    trail: list[Actor] = []
    seen: set[int] = set()

    def visit(actor: Actor) -> Actor | None:
        nonlocal best
        if actor in trail:
            return actor
        if id(actor) in seen:
            return None
        seen.add(id(actor))
        trail.append(actor)
        if len(trail) > len(best):
            best = list(trail)
        for giver in _givers(actor):
            closes = visit(giver)
            if closes is not None:
                return closes
        trail.pop()
        return None

    closes = visit(host)
    return (list(trail), closes) if closes is not None else (best, None)


def _givers(actor: Actor) -> list[Actor]:
    """Who could end its wait."""
    wait = actor.waiting
    if wait is None:
        return []
    on = wait.on
    match on:
        case SimLock():
            return [giver for giver in on.releasers if not giver.done]
        case Sink():
            if wait.kind == "data":
                return [sender for sender in on.senders if not sender.done]
            if on.owner is not None and on.owner is not actor:
                return [on.owner]
            taker = None if on.receiver is None else on.receiver.actor
            return [taker] if taker is not None else []
        case Channel():
            return [on]
        case CascadeLink():
            other = on.target if wait.name == "puts" else on.source
            return [other] if other is not None and not other.done else []
        case _:
            return []


def _waits(actor: Actor, file: str) -> str:
    """`core (0, 2) waits for lock a (>= 1, it is 0) at f.mlir:3:5`."""
    wait = actor.waiting
    if wait is None:
        return f"{actor.name} has ended" if actor.done else f"{actor.name} can go on"
    return f"{actor.name} {_for(actor, wait)}{_at(file, wait.where)}"


def _for(actor: Actor, wait: Wait) -> str:
    on = wait.on
    match wait.kind:
        case "lock":
            return f"waits for lock {on.label} (needs {wait.need}, it is {on.value})"
        case "fifo":
            what = "a free" if ".free" in on.label else "a full"
            return (
                f"waits for {what} object of fifo {wait.name} (its lock {on.label} needs {wait.need}, it is {on.value})"
            )
        case "room":
            return _room(actor, on)
        case "data":
            need = wait.need if on.receiver is None else on.receiver.need  # some may have come since it waits
            return f"waits for {need} bytes more on {_port(on)}"
        case "token":
            return f"waits for a token of {on.name}"
        case "queue":
            return f"waits for room in the task queue of {on.name}"
        case "cascade":
            return f"{wait.name} a value of the cascade, which is {'full' if wait.name == 'puts' else 'empty'}"
        case "spin":
            return "polls its memory, which nothing changes"
        case "idle":
            return "has no task"


def _room(actor: Actor, sink: Sink) -> str:
    if sink.owner is not None and sink.owner is not actor:
        return f"waits for the end of a packet of {sink.owner.name} on {_port(sink)}"
    bd = actor.bd if isinstance(actor, ToStream) else None
    what = f" with the BD of {bd.memory.label}" if bd is not None else ""
    return f"is stalled{what}, for {_port(sink)} takes no more"


def _port(sink: Sink) -> str:
    port = sink.port
    direction = "S2MM " if port.bundle == "DMA" else ""
    return f"({port.tile.column}, {port.tile.row}) {port.bundle} {direction}{port.channel}"


def _at(file: str, where: Place | None) -> str:
    return "" if where is None else f" at {where.within(file)}"


def _hopeless(actor: Actor) -> str:
    wait = actor.waiting
    if wait is None:
        return f"nothing more comes from {actor.name}"
    match wait.kind:
        case "lock" | "fifo":
            return f"nothing that still runs releases {wait.on.label}"
        case "data":
            return "nothing that still runs sends to it"
        case "room":
            return "nothing takes what comes there"
        case "idle":
            token = isinstance(actor, Channel) and not actor.tokens
            return "it has no task" + (
                " that would issue a token" if token and isinstance(actor, ToMemory | ToStream) else ""
            )
        case _:
            return "nothing changes that"
