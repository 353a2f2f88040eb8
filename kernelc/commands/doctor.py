"""`kernelc doctor`"""

from kernelc.commands import options as o


def doctor(json: o.Json = False) -> None:
    """Each tool and device: where, which version and features, what its absence costs.

    Exit code 3 if kernels cannot be built.
    """
    from dataclasses import asdict

    import typer

    from kernelc.doctor import examine
    from kernelc.errors import ToolError
    from kernelc.toolchain import glslang, spirv_val
    from kernelc.toolchain.identity import Memo
    from kernelrt.console.output import print_json
    from kernelrt.errors import Exit

    memo = Memo()
    findings = examine(memo)
    if json:
        print_json([asdict(finding) for finding in findings])
    else:
        for f in findings:
            print(f"{'found  ' if f.found else 'missing'}  {f.name}" + (f"  {f.version}" if f.version else ""))
            for label, text in (
                ("where", f.where),
                ("note", f.note),
                ("features", ", ".join(f.features)),
                ("costs", f.cost if not f.found else ""),
                ("install", f.install if not f.found else ""),
            ):
                if text:
                    print(f"         {label}: {text}")
    try:
        glslang.choose(memo)
        spirv_val.choose(memo)
    except ToolError:
        raise typer.Exit(Exit.TOOL) from None
