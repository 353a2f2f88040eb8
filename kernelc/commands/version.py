"""`kernelc version`"""

from kernelc.commands import options as o


def version(json: o.Json = False) -> None:
    """The versions of kernelc, kernelrt, the bundle's schema and the kernel ABI."""
    from kernelc import __version__
    from kernelrt import __version__ as runtime
    from kernelrt.abi import ABI
    from kernelrt.console.output import print_json
    from kernelrt.manifest import SCHEMA

    if json:
        print_json({"kernelc": __version__, "kernelrt": runtime, "schema": SCHEMA, "abi": ABI})
    else:
        print(f"kernelc {__version__}, kernelrt {runtime}, bundle schema {SCHEMA}, kernel ABI {ABI}")
