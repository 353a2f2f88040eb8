"""Text that somebody broke: a DesignError or a Design, nothing else, and soon."""

import re

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from kernelrt.npu.design import Design
from kernelrt.npu.errors import DesignError
from kernelrt.npu.text.load import load
from tests.npu.text import programs, programs_host

PROGRAMS = [programs.FIFOS, programs.DMAS, programs_host.SEQUENCE, programs_host.REGISTERS, programs.CORES]
TOKEN = re.compile(r'"[^"\n]*"|[%@#!^]?[\w.$-]+|\s+|.', re.DOTALL)
WORDS = [
    "{",
    "}",
    "(",
    ")",
    "[",
    "]",
    "<",
    ">",
    ",",
    ":",
    "->",
    "%0",
    "@x",
    "-1",
    "0x",
    "99999999999999999999",
    "1.5",
    '"',
    "//",
]
QUIET = (HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.large_base_example)
NUMBER = re.compile(r"-?\d+\Z")


def reads(text: str) -> None:
    """Reads it, or refuses it in one line that begins with the file."""
    try:
        found = load(text, "fuzz.mlir")
    except DesignError as error:
        message = str(error)
    else:
        assert isinstance(found, Design)
        return
    assert re.match(r"fuzz\.mlir:(\d+:\d+: .|)", message)
    assert "\n" not in message


@settings(max_examples=120, deadline=None, derandomize=True, suppress_health_check=QUIET)
@given(st.data())
def test_mutated_tokens(data: st.DataObject) -> None:
    tokens = TOKEN.findall(data.draw(st.sampled_from(PROGRAMS)))
    for _ in range(data.draw(st.integers(1, 3))):
        at = data.draw(st.integers(0, len(tokens) - 1))
        match data.draw(st.integers(0, 3)):
            case 0:
                tokens[at] = ""
            case 1:
                tokens[at] = data.draw(st.sampled_from(WORDS))
            case 2:
                other = data.draw(st.integers(0, len(tokens) - 1))
                tokens[at], tokens[other] = tokens[other], tokens[at]
            case _:
                tokens[at] *= 2
    reads("".join(tokens))


@settings(max_examples=60, deadline=None, derandomize=True, suppress_health_check=QUIET)
@given(st.data())
def test_mutated_numbers(data: st.DataObject) -> None:
    tokens = TOKEN.findall(data.draw(st.sampled_from(PROGRAMS)))
    places = [place for place, token in enumerate(tokens) if NUMBER.match(token)]
    for place in data.draw(st.lists(st.sampled_from(places), min_size=1, max_size=3)):
        tokens[place] = str(data.draw(st.sampled_from([0, 1, -1, 2, 3, 5, 63, 64, 65, 255, 4097, 2**31, 2**63, 2**70])))
    reads("".join(tokens))


@settings(max_examples=60, deadline=None, derandomize=True, suppress_health_check=QUIET)
@given(st.sampled_from(PROGRAMS), st.floats(0, 1))
def test_truncated_text(program: str, share: float) -> None:
    reads(program[: int(len(program) * share)])


@settings(max_examples=60, deadline=None, derandomize=True, suppress_health_check=QUIET)
@given(st.text(alphabet='%@#!^aimxe.0123456789(){}[]<>:,=-" \n/é\x00', max_size=80))
def test_noise(text: str) -> None:
    reads(text)
    reads(programs.device(text))
    reads(f"aie.device(npu1) {{ %t = aie.tile(0, 2)\n%c = aie.core(%t) {{ {text} aie.end }} }}")


@pytest.mark.parametrize("opening", ["(", "[", "{", "<", "memref<", "module {", "aie.device(npu1) {"])
def test_deep_nesting(opening: str) -> None:
    reads(opening * 5000)
    reads("%x = arith.constant dense<" + "[" * 5000)


def test_a_chain_of_constants_that_is_too_long_to_follow() -> None:
    lines = ["%v0 = arith.constant 1 : index"]
    lines += [f"%v{i + 1} = arith.addi %v{i}, %v0 : index" for i in range(3000)]
    body = "\n".join([*lines, "scf.for %i = %v0 to %v3000 step %v0 { }"])
    reads(programs.device(f"aie.runtime_sequence(%x: memref<4xi32>) {{\n{body}\n}}"))
