"""What a user, a file or a device can get wrong: one clear line, the right exit code, and nothing left behind."""

import subprocess
from pathlib import Path

import gguf
import numpy as np
import pytest

from kernelrt.errors import Exit
from tests.cli.conftest import Place
from tests.cli.process import CPU, NO_DRIVER, kernelrt, process, told
from tests.fixtures.cli import ROOT, built, one_clear_error


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--tokens", "2,512"], "unknown token id 512"),
        (["--tokens", "2,-1"], "'-1', is not a token id"),
        (["--tokens", "2,x"], "'x', is not a token id"),
        (["--tokens", ","], "is not a token id"),
        (["--tokens", "99999999999999999999"], "is not a token id"),
        (["--tokens", ",".join("7" * 65)], "the prompt has 65 tokens; the context holds 64"),
        (["--tokens", "7,7,7", "--context", "2"], "the prompt has 3 tokens; the context holds 2"),
        (["--tokens", "7", "--context", "65"], "65 is more than the bundle's 64"),
        (["--prompt", "x" * 200], "tokens; the context holds 64"),
        (["--prompt-file", "/dev/null"], "not a regular file"),
        (["--prompt-file", "/nowhere"], "/nowhere: cannot be read"),
        (["--prompt", "x", "--stop", ""], "--stop: an empty text"),
        (["--tokens", "7", "--temperature", "nan"], "--temperature: nan"),
    ],
)
def test_a_prompt_that_cannot_be_run(place: Place, words: list[str], said: str) -> None:
    one_clear_error(kernelrt(*place.run, *words), Exit.INPUT, said)


def test_a_prompt_file_that_is_empty_or_no_text(place: Place, tmp_path: Path) -> None:
    for content, said in ((b"", "--prompt-file: is empty"), (b"ab\xff", "not UTF-8 at byte 2")):
        (tmp_path / "prompt").write_bytes(content)
        one_clear_error(kernelrt(*place.run, "--prompt-file", tmp_path / "prompt"), Exit.INPUT, said)


def test_weights_that_are_nowhere_or_none(place: Place, tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("no weights")
    for weights, said in (("/nowhere.gguf", "/nowhere.gguf"), (tmp_path / "notes.txt", "notes.txt")):
        words = ("run", "--bundle", place.bundle, "--weights", weights, *CPU)
        for prompt in (("--tokens", "2"), ("--prompt", "x")):
            one_clear_error(kernelrt(*words, *prompt), Exit.INPUT, said)


def test_weights_of_another_model(place: Place, tmp_path: Path) -> None:
    other = tmp_path / "odd.gguf"
    told("make-weights", "--model", "tiny-odd", "--quant", "f16", "--out", other)
    done = kernelrt("run", "--bundle", place.bundle, "--weights", other, *CPU, "--tokens", "2")
    one_clear_error(done, Exit.INPUT, "odd.gguf", "another model than the bundle's tiny")


def test_a_text_without_a_tokenizer(place: Place) -> None:
    words = ("run", "--bundle", place.bundle, "--random-weights", *CPU)
    one_clear_error(kernelrt(*words, "--prompt", "x"), Exit.INPUT, "there is no tokenizer", "--tokens 2,17")
    one_clear_error(kernelrt(*words, "--tokens", "2", "--stop", "x"), Exit.INPUT, "--stop: needs a tokenizer")


@pytest.mark.parametrize("scaled", [True, False], ids=["a scale of q8_0", "a norm of f32"])
def test_weights_that_are_no_numbers_are_named(
    place: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, scaled: bool
) -> None:
    name = "blk.2.ffn_down.weight" if scaled else "blk.3.attn_norm.weight"
    (tensor,) = (t for t in gguf.GGUFReader(str(place.weights)).tensors if t.name == name)
    broken = bytearray(place.weights.read_bytes())
    at = int(tensor.data_offset)
    broken[at : at + (2 if scaled else 4)] = (np.float16 if scaled else np.float32)(np.nan).tobytes()
    (tmp_path / "nan.gguf").write_bytes(broken)
    words = ("run", "--bundle", place.bundle, "--weights", tmp_path / "nan.gguf", *CPU, "--tokens", "2,5")
    out = tmp_path / "logits.npy"
    monkeypatch.setenv("KERNELRT_CACHE", str(tmp_path / "cache"))
    done = kernelrt(*words, "--weights-cache", "always", "--dump-logits", out)
    one_clear_error(done, Exit.INPUT, "nan.gguf", name)
    assert done.stdout == ""
    assert not out.exists()
    assert not [path for path in tmp_path.rglob("*") if path.is_file() and path.name != "nan.gguf"]


def test_a_device_that_is_none(place: Place) -> None:
    for device in ("99", "GeForce"):
        words = ("run", "--bundle", place.bundle, "--weights", place.weights, "--device", device, "--tokens", "2")
        one_clear_error(kernelrt(*words), Exit.TOOL, f"no Vulkan device matches '{device}'", "llvmpipe")


def test_no_vulkan_device(place: Place) -> None:
    bundle = ("--bundle", place.bundle)
    bench = ("bench", *bundle, "--random-weights", "--prefill", "4", "--decode", "4")
    run = ("run", *bundle, "--random-weights", "--tokens", "2")
    for words in (run, bench, ("plan-memory", *bundle), ("devices", *bundle)):
        one_clear_error(process(*words, **NO_DRIVER), Exit.TOOL, "no Vulkan driver: install")


@pytest.mark.parametrize("where", ["no/logits.npy", "."])
def test_logits_that_cannot_be_written_are_said_before_the_run(place: Place, tmp_path: Path, where: str) -> None:
    # Of a bundle that is not there: nothing was loaded before.
    words = ("run", "--bundle", "nowhere", "--random-weights", "--tokens", "2", "--dump-logits", tmp_path / where)
    one_clear_error(kernelrt(*words), Exit.STORE, "--dump-logits")
    assert list(tmp_path.iterdir()) == []


def test_a_disk_that_is_full_leaves_no_logits(place: Place, tmp_path: Path) -> None:
    """From the moment of writing on no file of the process may grow beyond 4 KiB (lavapipe's memory is a file too)."""
    limited = (
        "import resource, signal; from kernelrt.commands import answering; write = answering.write_output\n"
        "def limited(*arguments):\n"
        "    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "    resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))\n"
        "    write(*arguments)\n"
        "answering.write_output = limited"
    )
    words = (*place.run, "--tokens", "2", "--max-tokens", "8", "--weights-cache", "off", "--json")
    done = process(*words, "--dump-logits", tmp_path / "logits.npy", after=limited)
    one_clear_error(done, Exit.STORE, "--dump-logits", "logits.npy: cannot be written: File too large")
    assert done.stdout == ""
    assert list(tmp_path.iterdir()) == []


def test_a_run_that_does_not_fit_is_refused_with_the_numbers(tmp_path: Path) -> None:
    """A thousand layers with a full cache for 32 sequences: 275 GB."""
    model = (ROOT / "runtime" / "kernelrt" / "models" / "tiny.toml").read_text()
    deep = model.replace("layers = 6", "layers = 1024").replace("global_every = 6", "global_every = 1")
    (tmp_path / "deep.toml").write_text(deep.replace('name = "tiny"', 'name = "deep"'))
    sizes = ("--target", "host", "--quant", "q8_0", "--seq", "32768", "--batch", "1,32")
    built("--model", tmp_path / "deep.toml", *sizes, "--out", tmp_path / "deep", "--store", tmp_path / "store")
    done = kernelrt("plan-memory", "--bundle", tmp_path / "deep", *CPU, "--batch", "32")
    said = ("llvmpipe", "too little memory: 27", "GB are needed", "KV cache 274.9 GB", "usable are", "--context")
    one_clear_error(done, Exit.TOOL, *said)
    assert done.stdout == ""


def test_files_that_are_in_the_way_of_made_weights_stay(place: Place, tmp_path: Path) -> None:
    (tmp_path / "mine.gguf").write_text("mine")
    make = ("make-weights", "--model", "tiny", "--out")
    one_clear_error(kernelrt(*make, tmp_path / "mine.gguf"), Exit.STORE, "mine.gguf: is there already")
    assert (tmp_path / "mine.gguf").read_text() == "mine"
    one_clear_error(kernelrt(*make, tmp_path / "a", "--format", "gguf"), Exit.INPUT, "ends in .gguf")
    one_clear_error(kernelrt(*make, tmp_path / "a.gguf", "--quant", "q3"), Exit.INPUT, "unknown format 'q3'")
    one_clear_error(kernelrt(*make, tmp_path / "a.gguf", "--format", "safetensors"), Exit.INPUT, "--format safetensors")
    one_clear_error(kernelrt("make-weights", "--model", "tinny", "--out", "a"), Exit.INPUT, "did you mean tiny")
    assert {path.name for path in tmp_path.iterdir()} == {"mine.gguf"}


@pytest.mark.parametrize("function", ["vkQueueSubmit", "vkWaitForFences"])
def test_a_lost_device_ends_the_run(place: Place, tmp_path: Path, function: str) -> None:
    """Lost at the first call, which is while loading, and at the last, which is while generating."""
    words = (*place.run, "--tokens", "2,17", "--max-tokens", "4", "--weights-cache", "off")
    words = (*words, "--dump-logits", tmp_path / "logits.npy")
    whole = lossy(function, 0, *words)
    assert whole.returncode == 0, whole.stderr
    calls = int(whole.stderr.split("calls ")[1])
    (tmp_path / "logits.npy").unlink()
    for last in (1, calls):
        done = lossy(function, last, *words)
        one_clear_error(done, Exit.TOOL, "the device was lost", function)
        assert list(tmp_path.iterdir()) == []


def lossy(function: str, last: int, *words: str | Path) -> "subprocess.CompletedProcess[str]":
    return process(*words, after=f"from tests.cli.lossy import lose; lose({function!r}, {last})")


def test_what_is_no_bundle_is_refused(place: Place) -> None:
    one_clear_error(kernelrt("plan-memory", "--bundle", place.weights), Exit.BUNDLE, "tiny.gguf")
    one_clear_error(kernelrt("plan-memory", "--bundle", place.root), Exit.BUNDLE, "manifest.json")
