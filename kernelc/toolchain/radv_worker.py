"""The process in which RADV compiles, started and spoken to by kernelc.toolchain.radv.

Messages both ways are frames. It first sends an empty one, which says that it runs, and then one JSON frame about the
device (or {"error": …}). A request is a JSON
frame {name, bindings, constants, subgroup} and a frame of SPIR-V; the answer is a JSON frame. It ends where its input
does. A process of its own, because the driver is chosen by the environment before the first Vulkan call, and because a
driver may crash.
"""

import json
import os
import sys
from typing import Any, BinaryIO

from kernelc.toolchain.frames import read_frame, write_frame
from kernelrt.errors import KernelrtError
from kernelrt.gpu.device import NULL_HARDWARE, Device
from kernelrt.gpu.executable import executables
from kernelrt.gpu.pipeline import Pipeline


def compile_one(device: Device, request: dict[str, Any], spirv: bytes) -> dict[str, Any]:
    """Compiles one kernel; {"error": …} where the driver refuses it."""
    constants = {int(number): int(value) for number, value in request["constants"].items()}
    try:
        with Pipeline(
            device, spirv, request["bindings"], constants, request["subgroup"], capture=True, name=request["name"]
        ) as pipeline:
            found = executables(pipeline)
    except KernelrtError as error:
        return {"error": str(error)}
    if len(found) != 1:
        return {"error": f"{len(found)} executables for one compute shader"}
    texts = dict(found[0].texts)
    assembly = texts.get("Assembly", "")
    return {"statistics": dict(found[0].statistics), "subgroup": found[0].subgroup, "assembly": assembly}


def serve(source: BinaryIO, sink: BinaryIO) -> None:
    with Device.open(NULL_HARDWARE) as device:
        info = device.info
        about = {
            "name": info.name,
            "driver": info.driver,
            "features": sorted(info.features),
            "min_subgroup": info.min_subgroup,
            "max_subgroup": info.max_subgroup,
            "shared_memory": info.shared_memory,
            "max_workgroup": info.max_workgroup,
            "matrices": list(info.matrices),
        }
        write_frame(sink, json.dumps(about).encode())
        while (head := read_frame(source)) is not None and (spirv := read_frame(source)) is not None:
            write_frame(sink, json.dumps(compile_one(device, json.loads(head), spirv)).encode())


def main() -> None:
    # The driver may print to stdout: what it prints goes to stderr, and the frames to a copy of stdout.
    sink = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    write_frame(sink, b"")
    try:
        serve(sys.stdin.buffer, sink)
    except KernelrtError as error:
        write_frame(sink, json.dumps({"error": str(error)}).encode())
