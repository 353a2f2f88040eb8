"""`kernelrt version`"""

from kernelrt.commands import options as o


def version(json: o.Json = False) -> None:
    """Versions of kernelrt, bundle schema and kernel ABI."""
    from kernelrt import __version__
    from kernelrt.abi import ABI
    from kernelrt.console.output import print_json
    from kernelrt.manifest import SCHEMA

    if json:
        print_json({"kernelrt": __version__, "schema": SCHEMA, "abi": ABI})
    else:
        print(f"kernelrt {__version__}, bundle schema {SCHEMA}, kernel ABI {ABI}")
