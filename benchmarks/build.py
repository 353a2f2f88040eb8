"""How long builds take: a cold one, a second one, and one after a template was touched. Run by `make bench-build`.

Each build is a whole process (`python -m kernelc build`) on a copy of the sources, with a store and a bundle folder of
its own in a temporary folder. Exit code 1 where a limit is broken: cold 60 s on two cores, second 0.5 s with nothing
compiled, and after touching a template exactly its kernels compiled.
"""

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
COLD_LIMIT_S = 60.0
SECOND_LIMIT_S = 0.5
REPEATS = 9


def kernelc(checkout: Path, *arguments: str) -> tuple[dict[str, object], float]:
    """What one `kernelc … --json` prints, and the seconds of its whole process."""
    environment = os.environ | {"PYTHONPATH": os.pathsep.join([str(checkout), str(ROOT / "runtime")])}
    for name in ("KERNELC_STORE", "PYTHONDONTWRITEBYTECODE"):  # a user's builds keep what they compile
        environment.pop(name, None)
    start = time.perf_counter()
    done = subprocess.run(
        [sys.executable, "-m", "kernelc", *arguments, "--json"],
        cwd=checkout,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    seconds = time.perf_counter() - start
    if done.returncode:
        sys.exit(f"{done.stderr}kernelc {' '.join(arguments)} failed with exit code {done.returncode}")
    return json.loads(done.stdout), seconds


def counts(report: dict[str, object]) -> dict[str, int]:
    kernels = report["kernels"]
    assert isinstance(kernels, dict)
    return kernels


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--model", default="gemma27b")
    parser.add_argument("--target", default="phoenix")
    parser.add_argument("--touch", default="rope_table", help="the template that gets another comment line")
    options = parser.parse_args()
    shape = ("--model", options.model, "--target", options.target)
    broken: list[str] = []

    with tempfile.TemporaryDirectory(prefix="kernelc-bench-") as temporary:
        checkout = Path(temporary, "checkout")
        for folder in ("kernelc", "templates"):
            shutil.copytree(ROOT / folder, checkout / folder, ignore=shutil.ignore_patterns("__pycache__"))
        store = ("--store", str(Path(temporary, "store")))
        build = ("build", *shape, *store, "--out", str(Path(temporary, "bundle")))

        report, cold = kernelc(checkout, *build)
        cold_counts = counts(report)
        if cold > COLD_LIMIT_S:
            broken.append(f"the cold build took {cold:.1f} s, more than {COLD_LIMIT_S:g} s")
        entries, _ = kernelc(checkout, "cache", "stats", *store)
        if cold_counts["compiled"] != entries["entries"]:  # kernels of the same source are compiled once
            broken.append(f"the cold build compiled {cold_counts['compiled']} of {entries['entries']} kernels")

        seconds: list[float] = []
        for _ in range(REPEATS):
            report, took = kernelc(checkout, *build)
            seconds.append(took)
            if counts(report)["compiled"]:
                broken.append(f"a second build compiled {counts(report)['compiled']} kernels")
        second = statistics.median(seconds)
        if second > SECOND_LIMIT_S:
            broken.append(f"the second build took {second:.2f} s, more than {SECOND_LIMIT_S:g} s")

        template = checkout / "templates" / "glsl" / f"{options.touch}.comp.j2"
        if "{% extends" in (source := template.read_text()):
            sys.exit(f"--touch {options.touch}: a line behind its blocks would not be rendered; choose another")
        template.write_text(source + "// touched\n")
        plan, _ = kernelc(checkout, "plan", *shape)
        kernels = plan["kernels"]
        assert isinstance(kernels, list)
        mine = sum(kernel["family"] == options.touch for kernel in kernels)
        report, touched = kernelc(checkout, *build)
        if counts(report)["compiled"] != mine:
            broken.append(f"after touching {options.touch}, {counts(report)['compiled']} were compiled and not {mine}")

    cores = len(os.sched_getaffinity(0))
    spread = f"median of {REPEATS}, {min(seconds):.2f} to {max(seconds):.2f}"
    print(f"{options.model} for {options.target}, {cold_counts['total']} kernels, {cores} cores, whole processes:")
    print(f"  cold build                  {cold:7.2f} s   {cold_counts['compiled']} compiled")
    print(f"  second build                {second:7.2f} s   0 compiled ({spread})")
    print(f"  after touching one template {touched:7.2f} s   {mine} compiled ({options.touch})")
    if broken:
        sys.exit("limits broken:\n" + "\n".join(f"  {line}" for line in broken))


if __name__ == "__main__":
    main()
