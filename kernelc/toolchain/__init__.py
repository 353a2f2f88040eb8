"""The external tools, one module each."""
