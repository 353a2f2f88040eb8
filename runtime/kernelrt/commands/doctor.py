"""`kernelrt doctor`"""

from kernelrt.commands import options as o


def doctor(json: o.Json = False) -> None:
    """Say what running needs, and what of it is missing.

    Exit code 3 if nothing can be run.
    """
    import typer

    from kernelrt.console.finding import able, print_findings
    from kernelrt.doctor import examine
    from kernelrt.errors import Exit

    findings = examine()
    print_findings(findings, json)
    if not able(findings):
        raise typer.Exit(Exit.TOOL)
