"""`kernelc doctor`"""

from kernelc.commands import options as o


def doctor(json: o.Json = False) -> None:
    """Each tool and device: where, which version and features, what its absence costs.

    Exit code 3 if kernels cannot be built.
    """
    import typer

    from kernelc.doctor import examine
    from kernelrt.console.finding import able, print_findings
    from kernelrt.errors import Exit

    findings = examine()
    print_findings(findings, json)
    if not able(findings):
        raise typer.Exit(Exit.TOOL)
