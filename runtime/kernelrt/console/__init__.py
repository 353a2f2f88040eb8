"""What the command lines of kernelc and kernelrt share: streams, interrupts, errors as one line."""
