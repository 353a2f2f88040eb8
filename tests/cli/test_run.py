"""`kernelrt run`, `plan-memory` and `make-weights` where all goes well, on lavapipe."""

import io
import json
import subprocess
from pathlib import Path

import numpy as np
import pytest

from kernelrt.bundle import Bundle
from kernelrt.engine import Engine
from kernelrt.generate import generate
from kernelrt.run_plan import Options
from kernelrt.text.find import tokenizer_for
from kernelrt.weights.source import open_checkpoint
from tests.cli.conftest import Place
from tests.cli.process import CPU, command, kernelrt, process, told
from tests.fixtures.cli import ROOT, environment

PROMPT = "the words of one"


def test_tokens_and_logits_are_those_of_the_engine(place: Place, tmp_path: Path) -> None:
    out = tmp_path / "logits.npy"
    found = told(*place.run, "--tokens", "2,17,5", "--max-tokens", "12", "--dump-logits", out)
    with (
        open_checkpoint(place.weights, "off") as weights,
        Engine.open(Bundle.open(place.bundle), weights, Options("llvmpipe", 64)) as engine,
    ):
        expected = generate(engine, [[2, 17, 5]], max_tokens=12, keep_logits=True)
        operations = engine.operations
    assert tuple(found["tokens"]) == expected.generations[0].tokens
    assert expected.logits is not None
    logits = np.load(out)
    assert (logits.dtype, logits.shape) == (np.float32, (len(found["tokens"]), engine.model.vocab))
    assert np.array_equal(logits, expected.logits)
    assert [o["kernel"] for o in found["operations"]] == [o.kernel for o in operations]
    assert [path.name for path in tmp_path.iterdir()] == ["logits.npy"]


def test_json_has_what_a_program_needs(place: Place) -> None:
    found = told(*place.run, "--prompt", PROMPT, "--no-chat", "--max-tokens", "5")
    tokenizer = tokenizer_for(place.weights, 512)
    assert found["prompt"] == tokenizer.encode(PROMPT)
    assert found["prompt_tokens"] == len(found["prompt"])
    assert found["generated_tokens"] == len(found["tokens"]) <= 5
    assert found["text"] == tokenizer.decode(found["tokens"])
    assert found["finish_reason"] in ("length", "stop")
    assert 0 < found["gpu_s"] == pytest.approx(found["gpu_prefill_s"] + found["gpu_decode_s"])
    assert found["prefill_s"] > 0
    assert found["decode_s"] > 0
    assert found["cpu_s_per_token"] > 0
    assert found["submissions"] == found["generated_tokens"], "one for the prompt and one for each further token"
    assert found["device"]["type"] == "cpu"
    assert sum(found["memory"]["categories"].values()) == found["memory"]["total"]
    assert found["load"]["bytes_uploaded"] > 0
    assert found["load"]["host_peak_bytes"] > 0
    assert found["ready_s"] >= found["load"]["seconds"]
    for operation in found["operations"]:
        assert operation["kernel"] in {kernel.name for kernel in Bundle.open(place.bundle).kernels}
        assert operation["device"] == found["device"]["name"]
    assert {o["operation"] for o in found["operations"]} >= {"qkv", "attn_decode", "attn_prefill", "head", "argmax"}


def test_text_comes_on_stdout_and_all_else_on_stderr(place: Place) -> None:
    words = (*place.run, "--prompt", PROMPT, "--max-tokens", "6", "--seed", "5", "--temperature", "1")
    done = process(*words)
    assert done.returncode == 0, done.stderr
    assert done.stdout == told(*words)["text"] + "\n"
    closing = done.stderr.splitlines()[-1]
    for word in ("prompt tokens in", "tok/s", "generated", "GPU", "CPU", "ready after", "host memory", "llvmpipe"):
        assert word in closing
    assert "Traceback" not in done.stderr


def test_text_streams_as_it_is_made(place: Place) -> None:
    """The first token can be read while the process still runs."""
    words = command(*place.run, "--tokens", "2,17", "--max-tokens", "60", "--weights-cache", "off")
    process = subprocess.Popen(words, cwd=ROOT, env=environment(), stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    assert process.stdout is not None
    first = process.stdout.read1(1)  # pyright: ignore[reportAttributeAccessIssue]  # a BufferedReader, as bufsize is
    running = process.poll() is None
    rest = process.stdout.read()
    assert (process.wait(), running) == (0, True)
    assert first + rest


def test_a_chat_is_the_default_where_the_tokenizer_has_turns(place: Place) -> None:
    chat = told(*place.run, "--prompt", PROMPT, "--max-tokens", "1")
    raw = told(*place.run, "--prompt", PROMPT, "--max-tokens", "1", "--no-chat")
    told_more = told(*place.run, "--prompt", PROMPT, "--max-tokens", "1", "--system", "be")
    assert (chat["chat"], raw["chat"], told_more["chat"]) == (True, False, True)
    assert 105 in chat["prompt"]
    assert 105 not in raw["prompt"]
    assert len(told_more["prompt"]) > len(chat["prompt"])


def test_a_prompt_from_a_file_is_the_same(place: Place, tmp_path: Path) -> None:
    (tmp_path / "prompt.txt").write_text(PROMPT)
    short = ("--max-tokens", "3")
    from_file = told(*place.run, "--prompt-file", tmp_path / "prompt.txt", *short)
    assert from_file["prompt"] == told(*place.run, "--prompt", PROMPT, *short)["prompt"]


def test_a_stop_string_ends_the_text_before_it(place: Place) -> None:
    words = (*place.run, "--tokens", "2,17,5", "--max-tokens", "30", "--temperature", "1", "--seed", "3")
    whole = told(*words)
    stop = whole["text"][5:8]
    assert len(stop) == 3
    found = told(*words, "--stop", "no such text", "--stop", stop)
    assert (found["finish_reason"], found["stop_string"]) == ("stop_string", stop)
    assert found["text"] == whole["text"][: whole["text"].index(stop)]
    assert found["tokens"] == whole["tokens"][: len(found["tokens"])]


def test_a_seed_decides_the_draws(place: Place) -> None:
    words = (*place.run, "--tokens", "2,17,5", "--max-tokens", "20", "--temperature", "1.5")
    one, again, other = (told(*words, "--seed", seed)["tokens"] for seed in ("1", "1", "2"))
    assert one == again != other


def test_random_weights_need_no_file(place: Place) -> None:
    words = ("run", "--bundle", place.bundle, "--random-weights", *CPU, "--tokens", "2,3", "--max-tokens", "3")
    found = told(*words)
    assert (found["text"], found["weights"]) == (None, "random (seed 0)")
    assert kernelrt(*words).stdout == ",".join(map(str, found["tokens"])) + "\n"


def test_the_context_ends_a_generation(place: Place) -> None:
    found = told(*place.run, "--tokens", ",".join(["7"] * 60), "--max-tokens", "100", "--temperature", "1")
    assert (found["context"], found["finish_reason"]) == (64, "length")
    assert found["prompt_tokens"] + found["generated_tokens"] == 65, "the last token is given and never taken"


def test_plan_memory_is_what_a_run_takes(place: Place) -> None:
    plan = told("plan-memory", "--bundle", place.bundle, *CPU)
    run = told(*place.run, "--tokens", "2", "--max-tokens", "60")
    found: dict[str, int] = {}
    for row in plan["categories"]:
        found[row["category"]] = found.get(row["category"], 0) + row["nbytes"]
    assert found == run["memory"]["categories"]
    assert sum(buffer["nbytes"] for buffer in plan["buffers"]) == sum(found.values()) <= plan["total"]
    assert all(0 <= heap["taken"] <= heap["usable"] <= heap["free"] for heap in plan["heaps"])
    assert sum(heap["taken"] for heap in plan["heaps"]) == plan["total"]
    more = told("plan-memory", "--bundle", place.bundle, *CPU, "--batch", "8")
    kv, kv8 = (next(r["nbytes"] for r in p["categories"] if r["category"] == "KV cache") for p in (plan, more))
    assert kv8 == 8 * kv
    text = kernelrt("plan-memory", "--bundle", place.bundle, *CPU).stdout
    for word in ("weights", "KV cache", "heap 0", "usable", "1 x 64 tokens"):
        assert word in text


def test_devices_say_whether_they_can_run_a_bundle(place: Place) -> None:
    cpu = next(d for d in told("devices", "--bundle", place.bundle) if d["type"] == "cpu")
    assert (cpu["can_run"], cpu["problem"]) == (True, "")
    assert f"can run {place.bundle}" in kernelrt("devices", "--bundle", place.bundle).stdout


def test_a_bundle_is_found_by_its_name(place: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "build" / "bundles").mkdir(parents=True)
    (tmp_path / "build" / "bundles" / "mine").symlink_to(place.bundle)
    monkeypatch.chdir(tmp_path)
    assert told("plan-memory", "--bundle", "mine", *CPU)["model"] == "tiny"


def test_made_weights_are_the_same_for_a_seed(place: Place, tmp_path: Path) -> None:
    same = ("make-weights", "--model", "tiny", "--format", "gguf", "--quant", "q8_0")
    told(*same, "--seed", "3", "--out", tmp_path / "again.gguf")
    assert (tmp_path / "again.gguf").read_bytes() == place.weights.read_bytes()
    told(*same, "--seed", "4", "--out", tmp_path / "other.gguf")
    assert (tmp_path / "other.gguf").read_bytes() != place.weights.read_bytes()


def test_made_safetensors_run_too(place: Place, tmp_path: Path) -> None:
    made = told("make-weights", "--model", place.bundle, "--seed", "3", "--out", tmp_path / "hf")
    assert Path(made["out"]).is_dir()
    words = ("run", "--bundle", place.bundle, "--weights", tmp_path / "hf", *CPU, "--weights-cache", "off")
    assert told(*words, "--prompt", PROMPT, "--max-tokens", "3")["text"] is not None


def test_json_is_one_value_and_nothing_else(place: Place) -> None:
    done = process(*place.run, "--tokens", "2", "--max-tokens", "2", "--json")
    json.load(io.StringIO(done.stdout))
    assert done.stdout.isascii()
