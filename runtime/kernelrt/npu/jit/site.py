"""Where a core's program leaves for the machine around it."""

from dataclasses import dataclass
from typing import Literal

from kernelrt.npu.place import Place

CallKind = Literal[
    "lock_acquire_ge",
    "lock_acquire_eq",
    "lock_release",
    "fifo_acquire",
    "fifo_access",
    "fifo_release",
    "cascade_put",
    "cascade_get",
    "stream_put",
    "stream_get",
    "event",
    "spin",
]


@dataclass(frozen=True, slots=True)
class CallSite:
    """What `call(site, argument)` means, by kind:

    lock_*        argument: the value (`value` too, where it is a constant); `name` is the lock.
    fifo_acquire  argument and `value`: how many objects are held afterwards; what the call returns is the argument of
                  the fifo_access of this subview.
    fifo_access   argument: what fifo_acquire returned; `value`: index in the subview. Returns the object's address.
    fifo_release  argument and `value`: how many objects.
    cascade_put, stream_put   argument: address of the `value` bytes that are sent (valid during the call).
    cascade_get, stream_get   argument: address where the `value` bytes received are to be written.
                  `name` of the stream ones is the channel.
    event         argument: the value of an aie.debug (integers), or 0; `value`: the number of an aie.event.
    spin          a loop without any of the above has run a while longer: it may be waiting for memory to change.
    """

    kind: CallKind
    name: str
    port: Literal["Produce", "Consume", ""]
    value: int
    where: Place
