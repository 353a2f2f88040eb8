"""xclbin containers: two builds give the same bytes, and no byte is believed."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kernelc.toolchain.xclbin import XclbinError, normalise, read, write
from tests.fixtures import xclbins
from tests.fixtures.xclbins import Container, aie_partition, u32, u64, usual

BUILD = (14, "build", b'{"user":"me","host":"here"}')


def test_what_differs_from_build_to_build_is_gone() -> None:
    one = Container(sections=usual(b"a" * 16)).build()
    others = [
        Container(sections=usual(b"b" * 16), time=1, uuid=b"y" * 16).build(),
        Container(mirror=False, platform=xclbins.text("", 64, rest=b"?")).build(),
        Container(sections=(BUILD, *usual())).build(),
        Container(mirror=False, behind=bytes(3)).build(),
    ]
    assert len({one, *others}) == 5
    assert {normalise(other) for other in others} == {normalise(one)}
    assert b"MIRROR" not in normalise(one)


def test_the_content_is_what_it_was() -> None:
    data = Container().build()
    before, after = read(data), read(normalise(data))
    assert [(s.kind, s.name) for s in after.sections] == [(kind, name) for kind, name, _ in usual()]
    changed = [new.kind for old, new in zip(before.sections, after.sections, strict=True) if old != new]
    assert changed == [32], "of the AIE partition the UUID of its PDI"
    assert xclbins.PDI in after.sections[1].data
    assert (after.version, after.mode, after.platform) == ((2, 25, 0), 0, "")


def test_uuids_follow_from_the_content() -> None:
    plain, other = (read(normalise(Container(sections=usual(pdi=pdi)).build())) for pdi in (b"one pdi.", b"other pd"))
    assert plain.uuid != other.uuid
    assert plain.unique_id != other.unique_id
    assert plain.sections[1].data[184:200] != other.sections[1].data[184:200]
    for found in (plain.uuid, plain.sections[1].data[184:200]):
        assert (found[6] >> 4, found[8] >> 6) == (8, 2), "version 8 of RFC 9562"


def test_what_is_written_is_read() -> None:
    found = read(Container().build())
    assert read(write(found)) == found


def _with(kind: int, data: bytes) -> Container:
    return Container(sections=[(k, name, data if k == kind else old) for k, name, old in usual()])


def _patched(at: int, value: bytes) -> bytes:
    data = Container(mirror=False).build()
    return data[:at] + value + data[at + len(value) :]


FIRST = 456 + 24  # offset and size of the first section in the table
NOT_THERE = "not in its"


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"", "truncated: 0 bytes"),
        (Container(magic=b"xclbin1\0").build(), "no xclbin"),
        (Container(signature=64).build(), "signed"),
        (Container().build()[:-1], "truncated: its header says"),
        (Container().build() + b"\0", "followed by other bytes"),
        (Container(length=2**63).build(), "truncated: its header says"),
        (Container(count=0).build(), "0 sections"),
        (Container(count=0x10000).build(), "65536 sections"),
        (Container(sections=[s for s in usual() if s[0] != 32]).build(), "0 sections AIE_PARTITION"),
        (Container(sections=[*usual(), usual()[0]]).build(), "2 sections MEM_TOPOLOGY"),
        (Container(behind=b"more", mirror=False).build(), "4 bytes behind its sections"),
        (Container(behind=b"more").build(), "behind its sections"),
        (_patched(FIRST, u64(2**40)), NOT_THERE),
        (_patched(FIRST, u64(657)), NOT_THERE),
        (_patched(FIRST + 8, u64(2**63)), NOT_THERE),
        (_patched(FIRST + 8, u64(96)), "something else lies"),
        (_patched(FIRST, u64(64)), "says -1 entries"),
        (_patched(FIRST + 80, u64(64)), "section 2 .* begins at 64, where something else lies"),
        (_patched(FIRST + 8, u64(80)), "says 2 entries"),
        (_patched(FIRST + 40, u64(664 + 88)), "section 2 .* begins at 1904, where something else lies"),
        (_patched(456 + 4, b"m" * 16), "no text"),
        (_patched(304 + 48, b"p" * 64), "no text"),
        (_with(6, b"\1").build(), "says 1 entries"),
        (_with(8, u32(2**32 - 1) + bytes(84)).build(), "says -1 entries"),
        (_with(7, u32(9) + bytes(12)).build(), "says 9 entries"),
        (_with(32, bytes(183)).build(), "partition of the xclbin is truncated"),
        (_with(32, bytes(400)).build(), "says 0 PDIs"),
        (_with(32, aie_partition(count=1000)).build(), "says 1000 PDIs"),
        (_with(32, aie_partition()[:-200]).build(), "PDI 0 of the xclbin"),
    ],
)
def test_a_truncated_or_lying_container_is_one_clear_error(data: bytes, said: str) -> None:
    with pytest.raises(XclbinError, match=said) as caught:
        normalise(data)
    assert "\n" not in str(caught.value)


def test_bytes_between_sections_are_an_error() -> None:
    sections = [(6, "mem", xclbins.mem_topology()), *usual()[1:]]
    data = bytearray(Container(sections=sections, mirror=False).build())
    hole = data.index(b"</project>\n") + len(b"</project>\n")
    assert data[hole] == 0
    data[hole] = 1
    with pytest.raises(XclbinError, match="belong to no section"):
        normalise(bytes(data))


def test_a_container_cut_anywhere_is_refused() -> None:
    data = Container().build()
    for size in range(len(data)):
        with pytest.raises(XclbinError):
            normalise(data[:size])


def _either(data: bytes) -> None:
    try:
        found = normalise(data)
    except XclbinError:
        return
    assert normalise(found) == found


def test_a_flipped_bit_is_refused_or_changes_the_content_and_nothing_else() -> None:
    data = Container().build()
    for at in range(len(data)):
        _either(data[:at] + bytes([data[at] ^ 1 << at % 8]) + data[at + 1 :])


@given(st.binary(max_size=64), st.integers(0, 700), st.booleans())
def test_no_bytes_give_another_error(junk: bytes, at: int, front: bool) -> None:
    data = Container(mirror=False).build()
    _either(b"xclbin2\0" + junk if front else data[:at] + junk + data[at + len(junk) :])


numbers = st.integers(0, 2**32 - 1) | st.integers(0, 2000)


@given(st.sampled_from([304, FIRST, FIRST + 8, FIRST + 40, FIRST + 48, 452]), numbers)
def test_no_offset_or_size_gives_another_error(at: int, value: int) -> None:
    _either(_patched(at, u64(value)))


@given(st.sampled_from([120, 124, 184 + 16, 184 + 20, 184 + 24, 184 + 28]), numbers)
def test_no_number_in_the_partition_gives_another_error(at: int, value: int) -> None:
    partition = aie_partition()
    _either(_with(32, partition[:at] + u32(value) + partition[at + 4 :]).build())


@given(st.lists(st.tuples(st.integers(9, 36), st.text("abc", max_size=15), st.binary(max_size=40)), max_size=4))
def test_any_other_section_comes_through(more: list[tuple[int, str, bytes]]) -> None:
    kept = [section for section in more if section[0] not in (14, 15, 16, 26, 27, 32)]
    sections = [*usual(), *(section for section in more if section[0] not in (26, 27, 32))]
    after = read(normalise(Container(sections=sections).build()))
    assert [(s.kind, s.name, s.data) for s in after.sections][5:] == kept
