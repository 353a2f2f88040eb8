"""What a doctor finds, and how it tells of it."""

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass

from kernelrt.console.output import print_json


@dataclass(frozen=True, slots=True)
class Finding:
    """One package, tool, driver or device. `where` is a path or a description; `note` says what more is known, or what
    is wrong; `cost` is what its absence costs, and `install` how to get it, where it is not there. `needed`: without it
    the program does nothing of what it is for.
    """

    name: str
    found: bool
    where: str = ""
    version: str = ""
    features: tuple[str, ...] = ()
    note: str = ""
    cost: str = ""
    install: str = ""
    needed: bool = False

    def lines(self) -> Iterator[str]:
        """For people: one line, and what there is to say of it below."""
        yield f"{'found  ' if self.found else 'missing'}  {self.name}" + (f"  {self.version}" if self.version else "")
        told = {"where": self.where, "note": self.note, "features": ", ".join(self.features)}
        if not self.found:
            told |= {"costs": self.cost, "install": self.install}
        for label, text in told.items():
            if text:
                yield f"         {label}: {text}"


def able(findings: Sequence[Finding]) -> bool:
    """Whether all that is needed is there."""
    return all(finding.found for finding in findings if finding.needed)


def print_findings(findings: Sequence[Finding], json: bool) -> None:
    """All of them on stdout."""
    if json:
        print_json([asdict(finding) for finding in findings])
        return
    for finding in findings:
        for line in finding.lines():
            print(line)
