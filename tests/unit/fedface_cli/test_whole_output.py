"""Output that cannot be written ends a command in order: without a word if the reader has gone, or with one line."""

from __future__ import annotations

import os
import pathlib
import subprocess
import sys

import pytest

# Prints by the means that the commands have. Python keeps a little until the end, unless it is told not to.
COMMAND = """
import sys
import typer
from rich.console import Console
from fedface_cli import main

@main.app.command()
def show(means: str, lines: int) -> None:
    show = {"echo": typer.echo, "print": print, "console": Console().print}[means]
    for number in range(lines):
        show(f"line {number}")

main.main(["show", *sys.argv[1:]])
"""
WAYS = [(means, "1", unbuffered) for means in ("echo", "print", "console") for unbuffered in ("", "1")]
WAYS += [("print", "20000", "")]


def ended(output: int, *arguments: str, unbuffered: str = "") -> subprocess.CompletedProcess[str]:
    """Run a command whose standard output is this file."""
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path)), "PYTHONUNBUFFERED": unbuffered}
    return subprocess.run(
        [sys.executable, "-c", COMMAND, *arguments],
        env=environment,
        stdout=output,
        stderr=subprocess.PIPE,
        text=True,
        timeout=60,
        check=False,
    )


@pytest.mark.parametrize(("means", "lines", "unbuffered"), WAYS)
def test_a_reader_that_has_gone_has_seen_enough(means: str, lines: str, unbuffered: str) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    try:
        done = ended(writing, means, lines, unbuffered=unbuffered)
    finally:
        os.close(writing)
    assert (done.returncode, done.stderr) == (1, "")


@pytest.mark.parametrize(("means", "lines", "unbuffered"), WAYS)
def test_a_full_disk_is_said_once(means: str, lines: str, unbuffered: str) -> None:
    with pathlib.Path("/dev/full").open("wb") as full:
        done = ended(full.fileno(), means, lines, unbuffered=unbuffered)
    assert (done.returncode, done.stderr) == (1, "error: cannot write: No space left on device\n")


def test_an_error_of_the_command_comes_first() -> None:
    with pathlib.Path("/dev/full").open("wb") as full:
        done = ended(full.fileno(), "print", "many")
    assert done.returncode == 2
    assert "Invalid value for" in done.stderr


def test_the_help_too() -> None:
    reading, writing = os.pipe()
    os.close(reading)
    try:
        done = ended(writing, "--help")
    finally:
        os.close(writing)
    assert (done.returncode, done.stderr) == (1, "")
