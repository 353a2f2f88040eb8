"""ModelSpec: the published shapes, every way to read one, and what is said of a wrong one."""

import dataclasses
import json
import re
import shutil
import struct
from pathlib import Path

import gguf
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from kernelc.errors import InputError
from kernelc.model import ModelSpec

BUILT_IN = ("gemma1b", "gemma4b", "gemma12b", "gemma27b", "tiny", "tiny-odd")
MODELS = Path(__file__).resolve().parents[1] / "kernelc" / "models"

# As published with the 27B weights: a multimodal file whose text part leaves out what Gemma3TextConfig has by default.
PUBLISHED_27B = {
    "architectures": ["Gemma3ForConditionalGeneration"],
    "eos_token_id": [1, 106],
    "model_type": "gemma3",
    "text_config": {
        "head_dim": 128,
        "hidden_size": 5376,
        "intermediate_size": 21504,
        "model_type": "gemma3_text",
        "num_attention_heads": 32,
        "num_hidden_layers": 62,
        "num_key_value_heads": 16,
        "query_pre_attn_scalar": 168,
        "rope_scaling": {"factor": 8.0, "rope_type": "linear"},
        "sliding_window": 1024,
    },
    "vision_config": {"hidden_size": 1152},
}
PUBLISHED_4B = {
    "architectures": ["Gemma3ForConditionalGeneration"],
    "eos_token_id": [1, 106],
    "model_type": "gemma3",
    "text_config": {
        "hidden_size": 2560,
        "intermediate_size": 10240,
        "model_type": "gemma3_text",
        "num_hidden_layers": 34,
        "rope_scaling": {"factor": 8.0, "rope_type": "linear"},
        "sliding_window": 1024,
    },
}
PUBLISHED_1B = {
    "architectures": ["Gemma3ForCausalLM"],
    "attention_bias": False,
    "attn_logit_softcapping": None,
    "bos_token_id": 2,
    "eos_token_id": [1, 106],
    "final_logit_softcapping": None,
    "head_dim": 256,
    "hidden_activation": "gelu_pytorch_tanh",
    "hidden_size": 1152,
    "intermediate_size": 6912,
    "max_position_embeddings": 32768,
    "model_type": "gemma3_text",
    "num_attention_heads": 4,
    "num_hidden_layers": 26,
    "num_key_value_heads": 1,
    "query_pre_attn_scalar": 256,
    "rms_norm_eps": 1e-06,
    "rope_local_base_freq": 10000,
    "rope_scaling": None,
    "rope_theta": 1000000,
    "sliding_window": 512,
    "sliding_window_pattern": 6,
    "vocab_size": 262144,
}


def transformers5(layers: int = 62) -> dict[str, object]:
    """The 27B text configuration as transformers 5 saves it."""
    kinds = ["full_attention" if (i + 1) % 6 == 0 else "sliding_attention" for i in range(layers)]
    rope = {
        "full_attention": {"factor": 8.0, "rope_theta": 1000000.0, "rope_type": "linear"},
        "sliding_attention": {"rope_theta": 10000.0, "rope_type": "default"},
    }
    text = dict(PUBLISHED_27B["text_config"])
    del text["rope_scaling"]
    return text | {
        "num_hidden_layers": layers,
        "eos_token_id": [1, 106],
        "layer_types": kinds,
        "rope_parameters": rope,
        "_sliding_window_pattern": 6,
        "tie_word_embeddings": True,
    }


def write_json(folder: Path, config: object, name: str = "config.json") -> Path:
    path = folder / name
    path.write_text(json.dumps(config))
    return path


def one_line(error: pytest.ExceptionInfo[InputError], *parts: str) -> None:
    message = str(error.value)
    assert "\n" not in message
    for part in parts:
        assert part in message


# --- built in ---


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


# --- Hugging Face ---


@pytest.mark.parametrize(
    ("config", "name"),
    [
        (PUBLISHED_27B, "gemma27b"),
        (PUBLISHED_4B, "gemma4b"),
        (PUBLISHED_1B, "gemma1b"),
        (transformers5(), "gemma27b"),
    ],
    ids=["27b", "4b", "1b", "27b-transformers5"],
)
def test_a_published_config_is_the_built_in_model(tmp_path: Path, config: dict[str, object], name: str) -> None:
    assert ModelSpec.load(write_json(tmp_path, config)) == ModelSpec.load(name)
    assert ModelSpec.load(tmp_path) == ModelSpec.load(name)  # the folder is as good


def test_a_model_of_another_shape_is_named_after_its_folder(tmp_path: Path) -> None:
    folder = tmp_path / "My Gemma (v2)"
    folder.mkdir()
    path = write_json(folder, PUBLISHED_1B | {"num_hidden_layers": 25})
    assert ModelSpec.load(path).name == "my-gemma-v2"
    assert ModelSpec.load(write_json(folder, PUBLISHED_1B | {"num_hidden_layers": 25}, "small.json")).name == "small"


def test_layer_types_go_before_the_pattern_and_give_the_period(tmp_path: Path) -> None:
    kinds = (["sliding_attention"] * 3 + ["full_attention"]) * 2
    config = PUBLISHED_1B | {"num_hidden_layers": 8, "layer_types": kinds}
    assert ModelSpec.load(write_json(tmp_path, config)).global_every == 4


def test_fewer_layers_than_a_period_have_no_global_one(tmp_path: Path) -> None:
    config = PUBLISHED_1B | {"num_hidden_layers": 3, "layer_types": ["sliding_attention"] * 3}
    assert ModelSpec.load(write_json(tmp_path, config)).layer_kinds == ("local",) * 3
    config = PUBLISHED_1B | {"num_hidden_layers": 9, "layer_types": ["sliding_attention"] * 9}
    assert ModelSpec.load(write_json(tmp_path, config)).layer_kinds == ("local",) * 9


def test_silu_is_read(tmp_path: Path) -> None:
    assert ModelSpec.load(write_json(tmp_path, PUBLISHED_1B | {"hidden_activation": "silu"})).activation == "silu"


def changed_kinds() -> list[str]:
    kinds = ["sliding_attention"] * 26
    kinds[5] = kinds[12] = "full_attention"
    return kinds


@pytest.mark.parametrize(
    ("change", "field", "said"),
    [
        ({"model_type": "llama"}, "model_type", "'llama' is not supported"),
        ({"hidden_size": None}, "hidden_size", "null"),
        ({"hidden_size": "1152"}, "hidden_size", "a string"),
        ({"hidden_size": 1150}, "hidden_size", "multiple of 8"),
        ({"intermediate_size": 0}, "intermediate_size", "at least"),
        ({"num_hidden_layers": -1}, "num_hidden_layers", "at least 1"),
        ({"num_hidden_layers": True}, "num_hidden_layers", "a boolean"),
        ({"num_key_value_heads": 3}, "num_key_value_heads", "4 query heads are not divisible by 3"),
        ({"head_dim": 0}, "head_dim", "at least 1"),
        ({"head_dim": 36}, "head_dim", "multiple of 8"),
        ({"head_dim": 264}, "head_dim", "at most 256"),
        ({"sliding_window": None}, "sliding_window", "null"),
        ({"sliding_window": 0}, "sliding_window", "at least 1"),
        ({"vocab_size": 10**12}, "vocab_size", "at most"),
        ({"rms_norm_eps": 0.0}, "rms_norm_eps", "positive"),
        ({"query_pre_attn_scalar": -256}, "query_pre_attn_scalar", "positive"),
        ({"hidden_activation": "relu"}, "hidden_activation", "'relu'"),
        ({"sliding_window_pattern": 0}, "sliding_window_pattern", "at least 1"),
        ({"eos_token_id": [1, 262144]}, "eos_token_id", "at most 262143"),
        ({"eos_token_id": []}, "eos_token_id", "token ids"),
        ({"bos_token_id": -1}, "bos_token_id", "at least 0"),
        ({"rope_theta": float("inf")}, "rope_theta", "finite"),
        ({"rope_scaling": {"rope_type": "yarn", "factor": 8.0}}, "rope_scaling.rope_type", "'yarn' is not supported"),
        ({"rope_scaling": {"rope_type": "linear"}}, "rope_scaling.factor", "expected a number, found null"),
        ({"rope_scaling": 8}, "rope_scaling", "expected an object"),
        ({"rope_parameters": {}}, "rope_parameters.full_attention", "expected an object"),
        ({"layer_types": ["full_attention"]}, "layer_types", "1 entries for 26 layers"),
        ({"layer_types": changed_kinds()}, "layer_types[11]", "is sliding_attention"),
        ({"layer_types": ["chunked_attention"] * 26}, "layer_types[0]", "'chunked_attention'"),
        ({"attention_bias": True}, "attention_bias", "not supported"),
        ({"final_logit_softcapping": 30.0}, "final_logit_softcapping", "not supported"),
        ({"use_bidirectional_attention": True}, "use_bidirectional_attention", "not supported"),
        ({"tie_word_embeddings": False}, "tie_word_embeddings", "not supported"),
        ({"text_config": []}, "text_config", "expected an object"),
    ],
)
def test_a_wrong_config_is_refused_by_file_and_field(
    tmp_path: Path, change: dict[str, object], field: str, said: str
) -> None:
    path = write_json(tmp_path, PUBLISHED_1B | change)
    with pytest.raises(InputError) as error:
        ModelSpec.load(path)
    one_line(error, f"{path}: {field}: ", said)


@pytest.mark.parametrize("field", ["hidden_size", "intermediate_size", "num_hidden_layers"])
def test_a_config_must_have_its_sizes(tmp_path: Path, field: str) -> None:
    path = write_json(tmp_path, {k: v for k, v in PUBLISHED_1B.items() if k != field})
    with pytest.raises(InputError) as error:
        ModelSpec.load(path)
    one_line(error, f"{path}: {field}: missing")


@pytest.mark.parametrize("content", [b"{", b"\xff\xfe{}", b"[]", b"null", b"", b"[" * 100_000])
def test_what_is_not_a_json_object_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "config.json"
    path.write_bytes(content)
    with pytest.raises(InputError) as error:
        ModelSpec.load(path)
    one_line(error, str(path))


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=5,
)
KEYS = st.sampled_from([*PUBLISHED_1B, "rope_parameters", "layer_types", "text_config", "_sliding_window_pattern"])


@settings(deadline=None, max_examples=300, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(change=st.dictionaries(KEYS, JSON, min_size=1, max_size=3))
def test_no_json_value_ends_in_another_error(tmp_path: Path, change: dict[str, object]) -> None:
    path = write_json(tmp_path, PUBLISHED_1B | change)
    try:
        model = ModelSpec.load(path)
    except InputError as error:
        assert str(path) in str(error)  # noqa: PT017  # either outcome is right, depending on the value
    else:
        assert len(model.layer_kinds) == model.layers


# --- GGUF ---


def write_gguf(path: Path, model: ModelSpec, *, eps: float = 1e-6, scaling: str = "linear") -> Path:
    """A header as llama.cpp's converter writes it for Gemma 3, without tensors."""
    writer = gguf.GGUFWriter(path, "gemma3")
    writer.add_context_length(model.max_positions)
    writer.add_embedding_length(model.hidden)
    writer.add_block_count(model.layers)
    writer.add_feed_forward_length(model.ffn)
    writer.add_head_count(model.heads)
    writer.add_head_count_kv(model.kv_heads)
    writer.add_key_length(model.head_dim)
    writer.add_value_length(model.head_dim)
    writer.add_layer_norm_rms_eps(eps)
    writer.add_sliding_window(model.window)
    writer.add_rope_freq_base(model.rope_theta_global)
    if model.rope_scale_global != 1.0:
        writer.add_string("gemma3.rope.scaling.type", scaling)
        writer.add_rope_scaling_factor(model.rope_scale_global)
    tokens = ["<pad>", "<eos>", "<bos>", *(f"t{i}" for i in range(3, model.vocab))]
    tokens[106] = "<end_of_turn>"
    writer.add_tokenizer_model("llama")
    writer.add_token_list(tokens)
    writer.add_token_scores([0.0] * len(tokens))
    writer.add_bos_token_id(model.bos_id)
    writer.add_eos_token_id(1)
    writer.add_add_bos_token(True)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.close()
    return path


@pytest.mark.parametrize("name", ["gemma27b", "gemma4b", "gemma1b"])
def test_a_gguf_header_is_the_built_in_model(tmp_path: Path, name: str) -> None:
    model = ModelSpec.load(name)
    assert ModelSpec.load(write_gguf(tmp_path / "m.gguf", model)) == model


def small() -> ModelSpec:
    return dataclasses.replace(ModelSpec.load("tiny"), name="small", query_scale_dim=32.0, max_positions=2048)


def test_a_gguf_of_another_shape_is_named_after_its_file(tmp_path: Path) -> None:
    assert ModelSpec.load(write_gguf(tmp_path / "small.gguf", small())) == small()


def test_tensors_behind_the_header_are_not_read(tmp_path: Path) -> None:
    path = write_gguf(tmp_path / "small.gguf", small())
    with path.open("ab") as file:
        file.truncate(path.stat().st_size + (15 << 30))  # sparse: 15 GB that would take a while
    assert ModelSpec.load(path) == small()


def test_a_header_cut_off_anywhere_is_one_clear_error(tmp_path: Path) -> None:
    whole = write_gguf(tmp_path / "small.gguf", small()).read_bytes()
    path = tmp_path / "cut.gguf"
    for size in [*range(64), *range(64, len(whole), 97), len(whole) - 1]:
        path.write_bytes(whole[:size])
        with pytest.raises(InputError) as error:
            ModelSpec.load(path)
        one_line(error, f"{path}: not a usable GGUF header")


@settings(deadline=None, max_examples=200, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_no_flipped_byte_ends_in_another_error(tmp_path: Path, data: st.DataObject) -> None:
    path = tmp_path / "small.gguf"
    if not path.exists():
        write_gguf(path, small())
    content = bytearray(path.read_bytes())
    place = data.draw(st.integers(0, min(len(content), 1500) - 1))
    content[place] ^= data.draw(st.integers(1, 255))
    broken = tmp_path / "broken.gguf"
    broken.write_bytes(content)
    try:
        ModelSpec.load(broken)
    except InputError as error:
        assert str(broken) in str(error)  # noqa: PT017  # a flipped byte of a value may give another valid model


def header(*pairs: tuple[str, int, bytes], version: int = 3, magic: bytes = b"GGUF") -> bytes:
    body = b"".join(struct.pack("<Q", len(k)) + k.encode() + struct.pack("<I", t) + v for k, t, v in pairs)
    return magic + struct.pack("<IQQ", version, 0, len(pairs)) + body


def string(value: str) -> bytes:
    return struct.pack("<Q", len(value)) + value.encode()


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (header(magic=b"GGML"), "begins with b'GGML'"),
        (header(version=1), "version 1 is not supported"),
        (header(("x", 99, b"")), "unknown type 99"),
        (header(("x", 8, struct.pack("<Q", 1 << 60))), "not plausible"),
        (header(("x", 9, struct.pack("<IQ", 4, 1 << 60))), "not plausible"),
        (header(("general.architecture", 8, string("llama"))), "general.architecture: 'llama' is not supported"),
        (header(), "general.architecture: None is not supported"),
        (header(("general.architecture", 8, string("gemma3"))), "gemma3.embedding_length: missing"),
    ],
)
def test_a_wrong_gguf_is_refused_by_file_and_key(tmp_path: Path, content: bytes, said: str) -> None:
    path = tmp_path / "m.gguf"
    path.write_bytes(content)
    with pytest.raises(InputError) as error:
        ModelSpec.load(path)
    one_line(error, str(path), said)


def test_a_gguf_with_impossible_heads_names_its_own_key(tmp_path: Path) -> None:
    path = write_gguf(tmp_path / "m.gguf", small())
    content = path.read_bytes()
    key = b"gemma3.attention.head_count_kv" + struct.pack("<I", 4)
    assert content.count(key + struct.pack("<I", 2)) == 1
    path.write_bytes(content.replace(key + struct.pack("<I", 2), key + struct.pack("<I", 3)))
    with pytest.raises(InputError) as error:
        ModelSpec.load(path)
    one_line(error, f"{path}: gemma3.attention.head_count_kv: 4 query heads are not divisible by 3 kv heads")


def test_unknown_rope_scaling_in_a_gguf_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=re.escape("gemma3.rope.scaling.type: 'yarn' is not supported")):
        ModelSpec.load(write_gguf(tmp_path / "m.gguf", small(), scaling="yarn"))


# --- TOML and names ---


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
