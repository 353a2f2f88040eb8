"""`kernelc tune` on lavapipe: the file that it leaves, what reads it, and searches that end early."""

import json
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from kernelc.commands.inputs import inputs, tuned
from kernelc.tune.result import Tuning
from kernelrt.errors import Exit, InputError
from tests.fixtures.cli import ROOT, built, environment, kernelc, one_clear_error

# A norm in front of 16 rows, at first with workgroups far too large: the cheapest kernel with a size to search.
SMALL = "prefill_rows = 16\nnorm_workgroup = 1024\n"
KERNEL = "norm.rows_f32"


@pytest.fixture(scope="module")
def target(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("target") / "small.toml"
    host = (ROOT / "kernelc" / "targets" / "host.toml").read_text()
    path.write_text(host.replace('name = "host"', 'name = "small"').partition("[tune]")[0] + "[tune]\n" + SMALL)
    return path


def sizes(target: Path) -> tuple[str | Path, ...]:
    return ("--model", "tiny", "--target", target, "--seq", "16", "--batch", "1")


def search(target: Path, out: Path) -> tuple[str | Path, ...]:
    return ("tune", *sizes(target), "--families", "norm", "--device", "llvmpipe", "--budget", "60", "--out", out)


@pytest.fixture(scope="module")
def result(target: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The file of a search that was interrupted after its first batch, and then went on."""
    out = tmp_path_factory.mktemp("tuning") / "small.json"
    words = ["kernelc", *map(str, search(target, out))]
    program = (
        f"import os, sys; sys.argv = {words!r}\n"
        "from kernelc.commands import tune\n"
        f"tune._told = lambda line: os.kill(os.getpid(), {int(signal.SIGINT)})\n"
        "from kernelc.cli import main; main()"
    )
    line = [sys.executable, "-c", program]
    ended = subprocess.run(line, cwd=ROOT, env=environment(), capture_output=True, text=True, check=False, timeout=120)
    one_clear_error(ended, Exit.INTERRUPTED, "interrupted", "goes on from here")
    first = Tuning.read(out)
    assert len(first.batches) == 1
    assert not first.complete
    done = kernelc(*search(target, out), "--json")
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    whole = Tuning.read(out)
    assert whole.complete
    assert whole.batches[0] == first.batches[0]
    assert len(done.stderr.splitlines()) == len(whole.batches) - 1  # a line for each batch that ran
    assert (found["level"], found["complete"], found["file"]) == ("measured", True, str(out))
    assert found["chosen"] == whole.chosen
    return out


def test_the_file_has_the_fastest_sizes_and_every_figure(result: Path) -> None:
    found = Tuning.read(result)
    assert (found.subject.target, found.subject.model, found.subject.quant) == ("small", "tiny", "q4_0")
    assert "llvmpipe" in found.subject.device
    assert "Mesa" in found.subject.driver
    best: dict[str, int] = {}
    for batch in found.batches:
        assert batch.figures[0].tune == best  # the incumbent runs against the others each time
        times = [figure.microseconds[KERNEL] for figure in batch.figures if not figure.refused]
        if min(times) < 0.99 * times[0]:
            best = dict(next(f.tune for f in batch.figures if f.microseconds.get(KERNEL) == min(times)))
    assert found.chosen == best
    tried = {figure.tune.get("norm_workgroup") for figure in found.batches[0].figures}
    assert {None, 64, 256} < tried


def planned(target: Path, tuning: Path | str | None) -> int:
    """The workgroup of the norm in a plan."""
    found = inputs("tiny", str(target), "q4_0", "16", "1", tuning=None if tuning is None else str(tuning))
    return next(spec.workgroup for spec in found.kernels if spec.name == KERNEL)


def test_a_plan_and_a_build_use_it(target: Path, result: Path, tmp_path: Path) -> None:
    chosen = (Tuning.read(result).chosen or {})["norm_workgroup"]
    assert chosen < 1024
    assert (planned(target, None), planned(target, result)) == (1024, chosen)
    words = ("--only", "norm*", "--npu", "off", "--store", tmp_path / "store")
    counts = [built(*sizes(target), *words, *more)["kernels"] for more in ((), ("--tuning", result))]
    assert [count["compiled"] for count in counts] == [1, 1]  # two kernels of one name: the sizes are in the key
    again = built(*sizes(target), *words, "--tuning", result)["kernels"]
    assert (again["compiled"], again["cached"]) == (0, 1)


def test_a_file_beside_the_target_is_taken_unless_none_is_wanted(target: Path, result: Path, tmp_path: Path) -> None:
    beside = tmp_path / "small.toml"
    beside.write_text(target.read_text())
    (tmp_path / "tuning").mkdir()
    (tmp_path / "tuning" / "small-tiny-q4_0.json").write_bytes(result.read_bytes())
    assert planned(beside, None) == planned(target, result)
    assert planned(beside, "none") == 1024
    other = inputs("tiny", str(beside), "q8_0", "16", "1").target  # in another format there is no file
    assert other.tune["norm_workgroup"] == 1024


Change = Callable[[dict[str, Any]], object]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda d: d.update(target="phoenix"), "tuned for target phoenix, not small"),
        (lambda d: d["shape"].update(hidden=5376), "tuned for another shape of the model tiny"),
        (lambda d: d.update(model="gemma27b", shape={**d["shape"], "ffn": 1}), "tuned for model gemma27b, not tiny"),
        (lambda d: d.update(quant="q8_0"), "tuned for --quant q8_0, not q4_0"),
        (lambda d: d.update(embedding="q6_k"), "tuned for --embedding-quant q6_k, not q4_0"),
        (lambda d: d.update(schema=2), "schema 2; this version knows 1"),
        (lambda d: d.pop("driver"), "'driver' is missing"),
        (
            lambda d: d["chosen"].update(norm_workgrop=64),
            "chosen.norm_workgrop: unknown key; did you mean",
        ),
        (lambda d: d["chosen"].update(norm_workgroup=65), "chosen.norm_workgroup: must be a multiple of 8"),
        (lambda d: d["chosen"].update(norm_workgroup="64"), "expected an integer"),
        (lambda d: d["batches"][0]["figures"][0]["microseconds"].update(x=-1), "expected a positive number"),
        (lambda d: d["batches"][0]["figures"][0].update(microseconds={}), "expected times, or a reason"),
    ],
)
def test_a_file_for_something_else_is_refused(
    target: Path, result: Path, tmp_path: Path, change: Change, words: str
) -> None:
    content = json.loads(result.read_text())
    change(content)
    wrong = tmp_path / "wrong.json"
    wrong.write_text(json.dumps(content))
    with pytest.raises(InputError) as error:
        planned(target, wrong)
    assert str(error.value).startswith(str(wrong))
    assert words in str(error.value)
    assert "\n" not in str(error.value)


def test_no_tuning_at_all_is_refused(target: Path, tmp_path: Path) -> None:
    for content, words in ((b"[tune]", "not JSON"), (b"[]", "expected an object")):
        (tmp_path / "wrong.json").write_bytes(content)
        with pytest.raises(InputError, match=words):
            planned(target, tmp_path / "wrong.json")
    with pytest.raises(InputError, match="--tuning: the name is empty"):
        planned(target, "")
    done = kernelc("plan", *sizes(target), "--tuning", tmp_path / "nothing.json")
    one_clear_error(done, Exit.INPUT, "nothing.json", "No such file")


def test_what_cannot_be_searched_is_one_clear_error(target: Path, result: Path, tmp_path: Path) -> None:
    other = json.loads(result.read_text()) | {"device": "another"}
    (tmp_path / "other.json").write_text(json.dumps(other))
    out = ("--out", tmp_path / "out.json")
    host, phoenix = sizes(target), sizes(Path("phoenix"))
    for words, code, said in (
        (search(target, tmp_path / "other.json"), Exit.INPUT, "holds a search with device 'another', not 'llvmpipe"),
        (("tune", *host, *out, "--families", "nrm"), Exit.INPUT, "nothing to search for 'nrm'; did you mean norm?"),
        (("tune", *host, *out, "--offline"), Exit.INPUT, "has no offline compiler that kernels can be modelled with"),
        (("tune", *host, *out, "--budget", "0.001"), Exit.FAILED, "too short for the first comparison"),
        (("tune", *host, *out, "--budget", "nan"), Exit.INPUT, "--budget: must be positive and finite"),
        (("tune", *phoenix, *out, "--device", "llvmpipe"), Exit.TOOL, "it has no coopmat_f16, subgroups of 32"),
    ):
        one_clear_error(kernelc(*words), code, said)
    assert not (tmp_path / "out.json").exists()


def test_a_target_without_its_device_is_modelled(tmp_path: Path) -> None:
    out = tmp_path / "phoenix.json"
    words = ("--model", "tiny", "--seq", "16", "--batch", "1", "--target", "phoenix")
    done = kernelc("tune", *words, "--offline", "--families", "o_proj", "--budget", "60", "--out", out)
    assert done.returncode == 0, done.stderr
    found = Tuning.read(out)
    assert (found.subject.level, found.complete) == ("modelled", True)
    assert "radv" in found.subject.driver
    assert "modelled, none: machine code for AMD Radeon 780M" in done.stdout
    assert {batch.group for batch in found.batches} == {"o_proj.b1.q4_0"}
    asked = inputs("tiny", "phoenix", "q4_0", "16", "1", tuning="none")
    chosen = found.chosen or {}
    assert chosen.items() <= tuned(asked.model, "phoenix", asked.buckets, str(out)).tune.items()
