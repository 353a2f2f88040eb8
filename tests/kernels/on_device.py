"""Executes every case on a real GPU and prints a table of errors: `python -m tests.kernels.on_device --target h200
--device NVIDIA`.

The forms that lavapipe cannot run (cooperative matrices, bfloat16) are executed nowhere else. Exit code 1 where a
bound is broken.
"""

import argparse
import importlib
import pkgutil
import sys
from collections.abc import Iterator
from dataclasses import replace
from itertools import islice
from pathlib import Path

from kernelc.target import TargetSpec
from kernelc.tune.result import Tuning
from kernelrt.gpu.device import Device
from kernelrt.gpu.errors import GpuError
from tests.kernels import cases, harness
from tests.kernels.case import Case
from tests.kernels.chains import links
from tests.kernels.products import on_gpu


def every_case(target: TargetSpec, families: list[str] | None = None) -> Iterator[Case]:
    """The cases of all families, or of those named, for the forms that `target` has; in chains too, where a GPU's can
    be, and on lavapipe one of each family: it compiles them for seconds.
    """
    for module in pkgutil.iter_modules(cases.__path__):
        if not families or module.name in families:
            found = list(importlib.import_module(f"{cases.__name__}.{module.name}").cases(target))
            yield from found
            yield from islice(links(found), None if on_gpu(target) else 1)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--target", required=True, help="whose forms to execute, e.g. h200")
    parser.add_argument("--tuning", type=Path, help="a file of `kernelc tune`, whose sizes take the target's place")
    parser.add_argument("--device", help="part of the device's name; the first real GPU otherwise")
    parser.add_argument("--family", action="append", help="only this family (may be repeated)")
    parser.add_argument("--only", default="", help="only cases with this in their name")
    arguments = parser.parse_args()
    target = TargetSpec.load(arguments.target)
    if arguments.tuning:
        target = replace(target, tune={**target.tune, **(Tuning.read(arguments.tuning).chosen or {})})
    ran = broken = 0
    with Device.open(arguments.device) as device:
        print(f"device: {device.info.name} ({device.info.driver}); target {arguments.target}")
        print(f"{'case':74} {'output':14} {'error':>9} {'bound':>9}")
        for case in every_case(target, arguments.family):
            if arguments.only not in case.name:
                continue
            ran += 1
            try:
                outputs = harness.execute(device, case.spec, case.arrays, case.params, case.capacity, case.quantities)
            except GpuError as error:
                raise SystemExit(f"{case.name}: {error}") from error  # a lost device can run nothing further
            for name, error in harness.errors(case, outputs).items():
                bound = harness.bound(case, name)
                broken += not error <= bound
                print(
                    f"{case.name:74} {name:14} {error:9.2e} {bound:9.2e}{'' if error <= bound else '  BROKEN'}",
                    flush=True,
                )
    print(f"{ran} cases executed, {broken} bounds broken")
    return 1 if broken or not ran else 0


if __name__ == "__main__":
    sys.exit(main())
