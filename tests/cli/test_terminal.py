"""A model may write anything: a terminal sees its control characters, and does not obey them."""

import os
import pty
import subprocess
import tty

from kernelrt.console.terminal import visible
from tests.cli.conftest import Place
from tests.cli.process import command, kernelrt, told
from tests.fixtures.cli import ROOT, environment


def test_controls_are_spelled_out_and_all_else_stays() -> None:
    controls = [chr(code) for code in (*range(32), *range(127, 160)) if chr(code) not in "\n\t"]
    for control in controls:
        assert visible(f"a{control}b") == f"a\\x{ord(control):02x}b"
    rest = "".join(chr(code) for code in range(0x3000) if chr(code) not in controls)
    assert visible(rest) == rest


def on_a_terminal(line: list[str]) -> str:
    """What a command writes to a terminal that changes nothing of it."""
    master, slave = pty.openpty()
    tty.setraw(slave)
    running = subprocess.Popen(line, cwd=ROOT, env=environment(), stdout=slave, stderr=subprocess.DEVNULL)
    os.close(slave)
    found = b""
    try:
        while part := os.read(master, 4096):
            found += part
    except OSError:  # the other end is closed
        pass
    os.close(master)
    assert running.wait(60) == 0
    return found.decode()


def test_text_is_made_visible_on_a_terminal_and_not_in_a_pipe(place: Place) -> None:
    words = (*place.run, "--tokens", "2,17", "--max-tokens", "60", "--temperature", "5", "--weights-cache", "off")
    texts = ((seed, told(*words, "--seed", seed)["text"]) for seed in "12345")
    seed, text = next((seed, text) for seed, text in texts if visible(text) != text)
    line = (*words, "--seed", seed)
    assert on_a_terminal(command(*line)) == visible(text) + "\n"
    assert kernelrt(*line).stdout == text + "\n"
