"""xclbin containers: read without trusting them, and made the same in every build.

NOTES: the layout is that of XRT's public header (github.com/Xilinx/XRT, src/runtime_src/core/include/xrt/detail/
xclbin.h: struct axlf): little endian, sections at multiples of 8. `xclbinutil` writes the time twice and a random UUID,
`aiecc` a UUID of each PDI, and behind the sections comes a mirror of it all as text (for `xclbinutil
--migrate-forward`, which is no use here). Drivers tell containers, and PDIs, apart by their UUIDs: so these follow from
the content, and are not all the same.
"""

import hashlib
import struct
from collections.abc import Iterator
from dataclasses import dataclass, replace

from kernelc.errors import KernelcError

MAGIC = b"xclbin2\0"
_AXLF = struct.Struct("<8si28s256sQ")  # magic, signature's length, reserved, key block, unique id
# length, time stamp, feature ROM's time stamp, version (patch, major, minor), mode, action mask, interface UUID,
# platform, UUID, name of a debug binary, number of sections
_HEADER = struct.Struct("<QQQHBBHH16s64s16s16sI4x")
_SECTION = struct.Struct("<I16s4xQQ")  # kind, name, offset, size
_FIXED = _AXLF.size + _HEADER.size
_MOST_SECTIONS = 0x10000
_MIRROR = (b"XCLBIN_MIRROR_DATA_START", b"XCLBIN_MIRROR_DATA_END")

EMBEDDED_METADATA, MEM_TOPOLOGY, CONNECTIVITY, IP_LAYOUT, AIE_PARTITION = 2, 6, 7, 8, 32
GROUP_TOPOLOGY, GROUP_CONNECTIVITY = 26, 27
# What the NPU cannot do without.
_NEEDED = {
    EMBEDDED_METADATA: "EMBEDDED_METADATA",
    MEM_TOPOLOGY: "MEM_TOPOLOGY",
    CONNECTIVITY: "CONNECTIVITY",
    IP_LAYOUT: "IP_LAYOUT",
    AIE_PARTITION: "AIE_PARTITION",
}
# BUILD_METADATA, KEYVALUE_METADATA, USER_METADATA: who built it, when and where; nothing reads them to run it.
_INFORMATIVE = frozenset({14, 15, 16})
# Sections that are a count and that many structs: bytes before the first, bytes of each.
_TABLES = {
    MEM_TOPOLOGY: (8, 40),
    CONNECTIVITY: (4, 12),
    IP_LAYOUT: (8, 80),
    GROUP_TOPOLOGY: (8, 40),
    GROUP_CONNECTIVITY: (4, 12),
}
_PARTITION = 184  # bytes of struct aie_partition
_PDIS_AT = 120  # its array of struct aie_pdi: number, offset
_PDI = struct.Struct("<16sIIII64x")  # UUID, image (size, offset), CDO groups (number, offset)


class XclbinError(KernelcError):
    """Bytes that are no xclbin, or one that says of itself what is not so."""


@dataclass(frozen=True, slots=True)
class Section:
    kind: int
    name: str
    data: bytes


@dataclass(frozen=True, slots=True)
class Xclbin:
    """A container's content. Its time stamps and the mirror are not among it. `version`: major, minor, patch of XRT."""

    unique_id: int
    uuid: bytes
    version: tuple[int, int, int]
    mode: int
    action_mask: int
    interface_uuid: bytes
    platform: str
    debug_binary: str
    sections: tuple[Section, ...]


def normalise(data: bytes) -> bytes:
    """The same xclbin with nothing of time, host or chance in it: XclbinError where it is none that the NPU could load.

    Normalising twice changes nothing more.
    """
    found = read(data)
    kinds = [section.kind for section in found.sections]
    for kind, name in _NEEDED.items():
        if kinds.count(kind) != 1:
            raise XclbinError(f"the xclbin has {kinds.count(kind)} sections {name}, and needs one")
    sections = tuple(_normal(section) for section in found.sections if section.kind not in _INFORMATIVE)
    content = replace(found, unique_id=0, uuid=bytes(16), sections=sections)
    digest = hashlib.sha256(write(content)).digest()
    return write(replace(content, uuid=_uuid(digest), unique_id=int.from_bytes(digest[16:24], "little")))


def read(data: bytes) -> Xclbin:
    """The container in `data`. XclbinError where a byte of it is not accounted for."""
    if len(data) < _FIXED:
        raise XclbinError(f"the xclbin is truncated: {len(data)} bytes, and its header alone has {_FIXED}")
    magic, signature, _, _, unique_id = _AXLF.unpack_from(data)
    if magic != MAGIC:
        raise XclbinError(f"this is no xclbin: it begins with {magic!r} and not with {MAGIC!r}")
    if signature != -1:
        raise XclbinError("the xclbin is signed: what it says of itself cannot be changed")
    length, _, _, patch, major, minor, mode, mask, interface, platform, uuid, debug, count = _HEADER.unpack_from(
        data, _AXLF.size
    )
    if length != len(data):
        what = "truncated" if length > len(data) else "followed by other bytes"
        raise XclbinError(f"the xclbin is {what}: its header says {length} bytes, there are {len(data)}")
    if not 0 < count <= _MOST_SECTIONS or _FIXED + count * _SECTION.size > len(data):
        raise XclbinError(f"the xclbin's header says {count} sections, and {len(data)} bytes have no room for them")
    return Xclbin(
        unique_id=unique_id,
        uuid=uuid,
        version=(major, minor, patch),
        mode=mode,
        action_mask=mask,
        interface_uuid=interface,
        platform=_text(platform, "platform"),
        debug_binary=_text(debug, "debug binary"),
        sections=tuple(_sections(data, count)),
    )


def write(xclbin: Xclbin) -> bytes:
    """The container, with time stamps of 0 and without a mirror."""
    offset, table, body = _FIXED + len(xclbin.sections) * _SECTION.size, b"", b""
    for section in xclbin.sections:
        padding = bytes(-(offset + len(body)) % 8)
        body += padding
        table += _SECTION.pack(section.kind, section.name.encode(), offset + len(body), len(section.data))
        body += section.data
    major, minor, patch = xclbin.version
    header = _HEADER.pack(
        offset + len(body),
        *(0, 0),
        *(patch, major, minor),
        *(xclbin.mode, xclbin.action_mask, xclbin.interface_uuid),
        *(xclbin.platform.encode(), xclbin.uuid, xclbin.debug_binary.encode(), len(xclbin.sections)),
    )
    return _AXLF.pack(MAGIC, -1, b"\xff" * 28, b"\xff" * 256, xclbin.unique_id) + header + table + body


def _sections(data: bytes, count: int) -> Iterator[Section]:
    """Each section in the order of the table; XclbinError where they overlap or leave bytes between them."""
    spans: list[tuple[int, int, int]] = []
    for index in range(count):
        kind, name, offset, size = _SECTION.unpack_from(data, _FIXED + index * _SECTION.size)
        where = f"section {index} (kind {kind})"
        if offset % 8 or offset + size > len(data):
            raise XclbinError(f"{where} of the xclbin: {size} bytes at {offset} are not in its {len(data)} bytes")
        content = data[offset : offset + size]
        _check_table(kind, content, where)
        spans.append((offset, offset + size, index))
        yield Section(kind, _text(name, where), content)
    end = _FIXED + count * _SECTION.size
    for begin, after, index in sorted(spans):
        if begin < end:
            raise XclbinError(f"section {index} of the xclbin begins at {begin}, where something else lies up to {end}")
        if any(data[end:begin]):
            raise XclbinError(f"the bytes {end} to {begin} of the xclbin belong to no section")
        end = after
    rest = data[end:].lstrip(b"\0")
    if rest and not (rest.startswith(_MIRROR[0]) and rest.endswith(_MIRROR[1])):
        raise XclbinError(f"the xclbin has {len(rest)} bytes behind its sections that belong to none")


def _check_table(kind: int, data: bytes, where: str) -> None:
    if kind not in _TABLES:
        return
    first, each = _TABLES[kind]
    count = int.from_bytes(data[:4], "little", signed=True)
    if len(data) < 4 or count < 0 or first + count * each > max(len(data), first):
        raise XclbinError(f"{where} of the xclbin says {count} entries, and its {len(data)} bytes do not hold them")


def _normal(section: Section) -> Section:
    """The AIE partition with UUIDs that follow from the PDIs; any other section as it is."""
    if section.kind != AIE_PARTITION:
        return section
    data = bytearray(section.data)
    if len(data) < _PARTITION:
        raise XclbinError(f"the AIE partition of the xclbin is truncated: {len(data)} of {_PARTITION} bytes")
    count, at = struct.unpack_from("<II", data, _PDIS_AT)
    if not count or at < _PARTITION or at + count * _PDI.size > len(data):
        raise XclbinError(f"the AIE partition of the xclbin says {count} PDIs at {at}, and has {len(data)} bytes")
    for index in range(count):
        _, size, offset, groups, groups_at = _PDI.unpack_from(data, at + index * _PDI.size)
        if not size or offset < _PARTITION or offset + size > len(data) or groups_at > len(data):
            raise XclbinError(
                f"PDI {index} of the xclbin: {size} bytes at {offset}, {groups} CDO groups: not all there"
            )
        if offset < at + count * _PDI.size and at < offset + size:
            raise XclbinError(f"PDI {index} of the xclbin: its {size} bytes at {offset} lie over the table of the PDIs")
        image = data[offset : offset + size]
        struct.pack_into("16s", data, at + index * _PDI.size, _uuid(hashlib.sha256(image).digest()))
    return replace(section, data=bytes(data))


def _uuid(digest: bytes) -> bytes:
    """A UUID of version 8 (RFC 9562: its bits are the maker's own) from a digest."""
    found = bytearray(digest[:16])
    found[6] = found[6] & 0x0F | 0x80
    found[8] = found[8] & 0x3F | 0x80
    return bytes(found)


def _text(field: bytes, where: str) -> str:
    """A text that ends at a NUL; what an older one left behind that is not part of it."""
    text, end, _ = field.partition(b"\0")
    if not end or not text.isascii():
        raise XclbinError(f"{where} of the xclbin: its name {field!r} is no text that ends with a NUL")
    return text.decode("ascii")
