"""What a model wrote, as a terminal may get it."""

import re

# C0 but for tabs and newlines, DEL, and C1: they move the cursor, rename the window, answer as if typed.
_CONTROLS = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")


def visible(text: str) -> str:
    r"""The text with each control character spelled out (`\x1b`), newlines and tabs aside."""
    return _CONTROLS.sub(lambda found: f"\\x{ord(found[0]):02x}", text)
