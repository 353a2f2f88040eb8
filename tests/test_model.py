"""ModelSpec: the built-in shapes, TOML files, names, and what is said of a wrong one."""

import contextlib
import dataclasses
import json
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from kernelrt.errors import InputError
from kernelrt.model import ModelSpec
from tests.fixtures.errors import one_line

BUILT_IN = ("gemma1b", "gemma4b", "gemma12b", "gemma27b", "tiny", "tiny-odd")
MODELS = Path(__file__).resolve().parents[1] / "runtime" / "kernelrt" / "models"


@pytest.mark.parametrize("name", BUILT_IN)
def test_built_in_models_load_under_their_name(name: str) -> None:
    assert ModelSpec.load(name).name == name


def test_no_built_in_model_is_forgotten_here() -> None:
    assert sorted(path.stem for path in MODELS.glob("*.toml")) == sorted(BUILT_IN)


def test_27b_has_the_published_shape() -> None:
    model = ModelSpec.load("gemma27b")
    assert (model.hidden, model.layers, model.heads, model.kv_heads, model.head_dim) == (5376, 62, 32, 16, 128)
    assert (model.ffn, model.vocab, model.window, model.query_scale_dim) == (21504, 262208, 1024, 168.0)
    assert (model.rope_theta_local, model.rope_theta_global, model.rope_scale_global) == (1e4, 1e6, 8.0)
    assert (model.norm_eps, model.activation, model.eos_ids, model.bos_id) == (1e-6, "gelu_tanh", (1, 106), 2)
    assert (model.group, model.qkv_rows, model.attn_width) == (2, 8192, 4096)


def test_every_sixth_layer_is_global() -> None:
    kinds = ModelSpec.load("gemma27b").layer_kinds
    assert [i for i, kind in enumerate(kinds) if kind == "global"] == list(range(5, 62, 6))
    assert len(kinds) == 62
    assert ModelSpec.load("tiny-odd").layer_kinds == ("local",) * 5 + ("global", "local")


def test_a_spec_cannot_be_changed() -> None:
    model = ModelSpec.load("tiny")
    with pytest.raises(dataclasses.FrozenInstanceError):
        model.hidden = 8  # pyright: ignore[reportAttributeAccessIssue]  # that it is refused is the test


def test_description_is_plain_json_and_gives_the_spec_back() -> None:
    model = ModelSpec.load("gemma27b")
    read = json.loads(json.dumps(model.describe()))
    assert ModelSpec(**read) == model


def test_an_integer_is_as_good_as_the_same_number_with_a_point(tmp_path: Path) -> None:
    text = (MODELS / "tiny.toml").read_text()
    changed = text.replace("rope_theta_local = 10_000.0", "rope_theta_local = 10000")
    assert changed != text
    path = tmp_path / "tiny.toml"
    path.write_text(changed)
    assert json.dumps(ModelSpec.load(path).describe()) == json.dumps(ModelSpec.load("tiny").describe())


def tiny_toml(folder: Path, old: str, new: str) -> Path:
    text = (MODELS / "tiny.toml").read_text()
    assert old in text
    path = folder / "mine.toml"
    path.write_text(text.replace(old, new))
    return path


@pytest.mark.parametrize(
    ("old", "new", "field", "said"),
    [
        ("hidden = 128\n", "", "hidden", "missing"),
        ("hidden = 128\n", "hiden = 128\n", "hiden", "unknown key; did you mean hidden"),
        ("hidden = 128\n", "hidden = 128.0\n", "hidden", "expected an integer, found a number"),
        ("heads = 4\n", "heads = 5\n", "kv_heads", "5 query heads are not divisible by 2 kv heads"),
        ("head_dim = 32\n", "head_dim = 0\n", "head_dim", "at least 1"),
        ("ffn = 256\n", "ffn = 250\n", "ffn", "multiple of 8"),
        ("window = 16\n", "window = 0\n", "window", "at least 1"),
        ('"gelu_tanh"', '"gelu"', "activation", "did you mean gelu_tanh"),
        ("rope_scale_global = 8.0\n", "rope_scale_global = nan\n", "rope_scale_global", "finite"),
        ("eos_ids = [1, 106]\n", "eos_ids = [1, 512]\n", "eos_ids", "at most 511"),
        ("eos_ids = [1, 106]\n", "eos_ids = 1\n", "eos_ids", "a list of token ids"),
        ('name = "tiny"\n', 'name = ""\n', "name", "empty"),
        ('name = "tiny"\n', 'name = "../tiny"\n', "name", "begin with a letter or digit"),
        ('name = "tiny"\n', 'name = "a/b"\n', "name", "1 to 64 of"),
        ('name = "tiny"\n', 'name = "a\\u0000b"\n', "name", r"is 'a\x00b'"),
        ('name = "tiny"\n', 'name = "tiny\\n"\n', "name", r"is 'tiny\n'"),
        ('name = "tiny"\n', 'name = "tiny.kcb"\n', "name", "not end in .kcb"),
        ('name = "tiny"\n', f'name = "{"a" * 65}"\n', "name", "1 to 64 of"),
        ("vocab = 512\n", "vocab = 4194305\n", "vocab", "at most 4194304"),
        ("layers = 6\n", "layers = 1025\n", "layers", "at most 1024"),
        ("heads = 4\n", "heads = 2048\n", "heads", "at most 1024"),
        ("hidden = 128\n", "hidden = 1048584\n", "hidden", "at most 1048576"),
        ("ffn = 256\n", "ffn = 1048584\n", "ffn", "at most 1048576"),
        ("window = 16\n", "window = 16777217\n", "window", "at most 16777216"),
        ("norm_eps = 1e-6\n", f"norm_eps = 1{'0' * 400}\n", "norm_eps", "finite"),
        ("layers = 6\n", f"layers = 1{'0' * 5000}\n", "layers", "too many digits (line"),
        ("layers = 6\n", f"layers = 0x{'f' * 5000}\n", "layers", "at most 1024"),
        ("norm_eps = 1e-6\n", f"norm_eps = 0x{'f' * 5000}\n", "norm_eps", "finite"),
        ("layers = 6\n", f"layers{'.a' * 3000} = 1\n", "layers", "expected an integer"),
    ],
)
def test_a_wrong_toml_is_refused_by_file_and_field(tmp_path: Path, old: str, new: str, field: str, said: str) -> None:
    path = tiny_toml(tmp_path, "\n" + old if old[0].isalpha() else old, "\n" + new if old[0].isalpha() else new)
    with pytest.raises(InputError) as error:
        ModelSpec.load(path)
    one_line(error, f"{path}: {field}: ", said)


def test_broken_toml_says_where(tmp_path: Path) -> None:
    path = tiny_toml(tmp_path, "hidden = 128", "hidden = = 128")
    with pytest.raises(InputError) as error:
        ModelSpec.load(path)
    one_line(error, f"{path}: not valid TOML", "line")


def test_an_unknown_model_suggests_and_lists(tmp_path: Path) -> None:
    with pytest.raises(InputError) as error:
        ModelSpec.load("gema27b")
    one_line(error, "unknown model 'gema27b'", "did you mean gemma27b", *BUILT_IN)


@pytest.mark.parametrize("name", ["nowhere.toml", "nowhere.gguf", "nowhere/config.json"])
def test_a_missing_file_is_named(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    with pytest.raises(InputError) as error:
        ModelSpec.load(path)
    one_line(error, f"{path}: cannot be read: No such file")


def test_an_unknown_suffix_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "model.safetensors"
    path.write_bytes(b"")
    with pytest.raises(InputError) as error:
        ModelSpec.load(path)
    one_line(error, f"{path}: not a model")


def test_a_folder_without_a_config_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError) as error:
        ModelSpec.load(tmp_path)
    one_line(error, f"{tmp_path / 'config.json'}: cannot be read")


def test_a_built_in_name_goes_before_a_file_of_that_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    shutil.copy(MODELS / "tiny-odd.toml", tmp_path / "tiny")
    assert ModelSpec.load("tiny").hidden == 128


def test_deeply_nested_toml_is_refused(tmp_path: Path) -> None:
    path = tiny_toml(tmp_path, "hidden = 128", f"hidden = {'[' * 100_000}")
    with pytest.raises(InputError) as error:
        ModelSpec.load(path)
    one_line(error, f"{path}: not valid TOML: nested too deeply")


@pytest.mark.parametrize("name", ["a" * 300, "a" * 5000])
def test_a_name_too_long_for_a_file_is_unknown(name: str) -> None:
    with pytest.raises(InputError) as error:
        ModelSpec.load(name)
    one_line(error, "unknown model 'aaa")


@pytest.mark.parametrize("name", ["x/" + "a" * 300, "a" * 300 + ".toml", "x/" + "a" * 300 + ".gguf"])
def test_a_path_too_long_for_a_file_cannot_be_read(tmp_path: Path, name: str) -> None:
    (tmp_path / "x").mkdir()
    with pytest.raises(InputError) as error:
        ModelSpec.load(tmp_path / name)
    one_line(error, "cannot be read: File name too long")


@contextlib.contextmanager
def ordinary_user() -> Iterator[None]:
    """Root reads every folder: what an ordinary user is refused is tried as nobody."""
    user = os.geteuid()
    if user == 0:
        os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(user)


@pytest.mark.parametrize("name", ["", "inner", "mine.toml", "mine.gguf"])
def test_a_folder_that_may_not_be_searched_is_named(tmp_path: Path, name: str) -> None:
    closed = tmp_path / "closed"
    closed.mkdir(mode=0)
    with ordinary_user(), pytest.raises(InputError) as error:
        ModelSpec.load(closed / name)
    closed.chmod(0o700)
    one_line(error, f"{closed}", "cannot be read: Permission denied")


@pytest.mark.parametrize("suffix", [".toml", ".json", ".gguf"])
def test_what_is_no_regular_file_is_refused_at_once(tmp_path: Path, suffix: str) -> None:
    endless, fifo = tmp_path / f"zero{suffix}", tmp_path / f"fifo{suffix}"
    endless.symlink_to("/dev/zero")
    os.mkfifo(fifo)
    for path in (endless, fifo):
        with pytest.raises(InputError) as error:
            ModelSpec.load(path)
        one_line(error, f"{path}: not a regular file")


@pytest.mark.parametrize("suffix", [".toml", ".json"])
def test_a_text_file_has_a_size_limit(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"large{suffix}"
    with path.open("wb") as file:
        file.truncate((16 << 20) + 1)
    with pytest.raises(InputError) as error:
        ModelSpec.load(path)
    one_line(error, f"{path}: larger than 16 MiB")
