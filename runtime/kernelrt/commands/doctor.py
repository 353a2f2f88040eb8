"""`kernelrt doctor`"""

from kernelrt.commands import options as o


def doctor(json: o.Json = False) -> None:
    """Say what running needs, and what of it is missing.

    Exit code 3 if nothing can be run.
    """
    from dataclasses import asdict

    import typer

    from kernelrt.console.output import print_json
    from kernelrt.doctor import can_run, examine
    from kernelrt.errors import Exit

    findings = examine()
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
    if not can_run(findings):
        raise typer.Exit(Exit.TOOL)
