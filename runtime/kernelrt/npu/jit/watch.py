"""Reads of memory that nothing has written: a byte of shadow for each byte of memory says whether it was."""

import re

from kernelrt.npu.jit.rewrite import CORE

# Words of a core's state (see emit.py): the memory that has a shadow, and how far behind it the shadow lies.
START, BYTES, DISTANCE = 5, 6, 7
UNWRITTEN = 3  # the status of a core that read such memory

_CORE = re.compile(rf"^define [^\n]*@{CORE}\(i64 (?P<state>%\w+)[^\n]*\{{\n.*?^\}}", re.MULTILINE | re.DOTALL)
_LOAD = re.compile(r"^  %\S+ = load (?P<type>[^,]+), ptr (?P<address>%\S+?)(?:, align \d+)?$", re.MULTILINE)
_STORE = re.compile(r"^  store (?P<type><[^>]+>|\S+) [^\n]+, ptr (?P<address>%\S+?)(?:, align \d+)?$", re.MULTILINE)
_BLOCK = re.compile(
    r"^  (?:tail )?call void @llvm\.mem(?:cpy|move|set)\.[^(]*\(ptr (?:align \d+ )?(?P<to>%\S+), [^\n]*?"
    r"i64 (?P<count>%?\w+), i1 \w+\)[^\n]*$",
    re.MULTILINE,
)
_VECTOR = re.compile(r"<(\d+) x (\w+)>")
_WIDTHS = {"half": 16, "bfloat": 16, "float": 32, "double": 64, "ptr": 64}


def watched(code: str) -> str:
    """The module with checks before the core's loads and marks behind its stores. The core goes on after a bad read, to
    its next call."""
    sizes: set[tuple[str, int]] = set()

    def checked(core: re.Match[str]) -> str:
        state = core["state"]

        def load(match: re.Match[str]) -> str:
            size = _bytes(match["type"])
            sizes.add(("read", size))
            return f"  call void @kernelrt_read_{size}(i64 {state}, ptr {match['address']})\n{match.group()}"

        def store(match: re.Match[str]) -> str:
            size = _bytes(match["type"])
            sizes.add(("write", size))
            return f"{match.group()}\n  call void @kernelrt_write_{size}(i64 {state}, ptr {match['address']})"

        def block(match: re.Match[str]) -> str:
            return (
                f"{match.group()}\n  call void @kernelrt_filled(i64 {state}, ptr {match['to']}, i64 {match['count']})"
            )

        return _BLOCK.sub(block, _STORE.sub(store, _LOAD.sub(load, core.group())))

    code = _CORE.sub(checked, code)
    functions = [_read(size) if kind == "read" else _write(size) for kind, size in sorted(sizes)]
    return "\n".join([code, _FILLED, *functions])


def _bytes(type_: str) -> int:
    vector = _VECTOR.fullmatch(type_)
    lanes, element = (int(vector.group(1)), vector.group(2)) if vector else (1, type_)
    width = _WIDTHS[element] if element in _WIDTHS else int(element.removeprefix("i"))
    return -(-lanes * width // 8)


def _shadow(name: str, parameters: str) -> str:
    """The beginning of a function: %shadow, in block `inside`, where %p has one; else on to `done`."""
    words = {"start": START, "bytes": BYTES, "distance": DISTANCE}
    lines = [f"define internal void @{name}(i64 %number, ptr %p{parameters}) alwaysinline {{"]
    lines += ["  %state = inttoptr i64 %number to ptr", "  %a = ptrtoint ptr %p to i64"]
    for word, position in words.items():
        lines.append(f"  %at_{word} = getelementptr i64, ptr %state, i64 {position}")
        lines.append(f"  %{word} = load i64, ptr %at_{word}")
    lines += ["  %offset = sub i64 %a, %start", "  %is = icmp ult i64 %offset, %bytes"]
    lines += [
        "  br i1 %is, label %inside, label %done",
        "inside:",
        "  %shadow = getelementptr i8, ptr %p, i64 %distance",
    ]
    return "\n".join(lines)


def _read(size: int) -> str:
    return f"""{_shadow(f"kernelrt_read_{size}", "")}
  %marks = load <{size} x i8>, ptr %shadow, align 1
  %missing = icmp eq <{size} x i8> %marks, zeroinitializer
  %any = call i1 @llvm.vector.reduce.or.v{size}i1(<{size} x i1> %missing)
  br i1 %any, label %bad, label %done
bad:
  call void @kernelrt_unwritten(ptr %state, i64 %a, i64 {size})
  br label %done
done:
  ret void
}}
declare i1 @llvm.vector.reduce.or.v{size}i1(<{size} x i1>)"""


def _write(size: int) -> str:
    return f"""{_shadow(f"kernelrt_write_{size}", "")}
  store <{size} x i8> splat (i8 1), ptr %shadow, align 1
  br label %done
done:
  ret void
}}"""


_FILLED = f"""{_shadow("kernelrt_filled", ", i64 %count")}
  call void @llvm.memset.p0.i64(ptr %shadow, i8 1, i64 %count, i1 false)
  br label %done
done:
  ret void
}}
declare void @llvm.memset.p0.i64(ptr, i8, i64, i1)
define internal void @kernelrt_unwritten(ptr %state, i64 %address, i64 %size) noinline cold {{
  %status = getelementptr i64, ptr %state, i64 1
  %old = load i64, ptr %status
  %first = icmp eq i64 %old, 0
  br i1 %first, label %note, label %done
note:
  store i64 {UNWRITTEN}, ptr %status
  %number = getelementptr i64, ptr %state, i64 2
  store i64 %size, ptr %number
  %value = getelementptr i64, ptr %state, i64 3
  store i64 %address, ptr %value
  br label %done
done:
  ret void
}}"""
