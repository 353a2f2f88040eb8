"""`python -m kernelrt`"""

from kernelrt.cli import main

if __name__ == "__main__":
    main()
