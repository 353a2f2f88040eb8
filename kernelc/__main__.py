"""`python -m kernelc`"""

from kernelc.cli import main

main()
