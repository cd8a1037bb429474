"""Every record is one line of JSON, whichever library logs it, with the service and the run's correlation id."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from datetime import datetime
from functools import cache
from typing import Any

import pytest

# In a process of its own: logging is configured once in a process, and never undone.
LOG = """
import logging, sys, structlog
from pathlib import Path
from pydantic import SecretStr
from fedface_core.runtime.logging import configure_logging
from fedface_core.runtime.settings import Settings

settings = Settings(
    redis_url=SecretStr("redis://:own@redis:6379/0"), artifacts="directory", artifact_directory=Path("/artifacts"),
    log_format=sys.argv[1], log_level=sys.argv[2],
)
configure_logging(settings, "client")
log = structlog.get_logger("ours")
log.debug("quiet")
with structlog.contextvars.bound_contextvars(correlation_id="abc", run_id="run-0123456789ab"):
    log.info("update_delivered", images=3)
    secret = "not for any " + "log"
    try:
        1 / len(secret[:0])
    except ZeroDivisionError:
        log.exception("task_failed")
logging.getLogger("theirs").warning("disk %s", "full")
if sys.argv[3]:
    url = "redis://:" + sys.argv[3] + "@host:6379/0"
    log.info("connecting", url=url, values=[url], name="Ж\\x1b[2J\\u202e")
    try:
        try:
            raise ValueError("cannot connect to " + url)
        except ValueError as error:
            raise RuntimeError("no ledger") from error
    except RuntimeError:
        log.exception("connection_failed")
    logging.getLogger("theirs").error("lost %s", url)
logging.getLogger("urllib3").info("a line for every request")
if sys.argv[4]:
    for _ in range(1000):
        log.warning("away", run_id="a")
        logging.getLogger("asyncio").error("socket.accept() out of system resource")
"""


@cache
def logged(
    log_format: str, log_level: str = "INFO", password: str = "", encoding: str = "utf-8", repeat: str = ""
) -> list[str]:
    """The lines that a process logs; with a ``password``, also lines about a URL with it and about a name from elsewhere.

    With ``repeat``, also two records a thousand times each.
    """
    command = [sys.executable, "-c", LOG, log_format, log_level, password, repeat]
    environment = {**os.environ, "PYTHONIOENCODING": encoding}
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60, env=environment)
    assert done.stderr == ""
    return done.stdout.splitlines()


@pytest.fixture(scope="module")
def records() -> list[dict[str, Any]]:
    return [json.loads(line) for line in logged("json")]


def test_every_record_is_one_json_object_with_its_service_and_time(records: list[dict[str, Any]]) -> None:
    assert [record["event"] for record in records] == ["update_delivered", "task_failed", "disk full"]
    assert [record["level"] for record in records] == ["info", "error", "warning"]
    assert [record["logger"] for record in records] == ["ours", "ours", "theirs"]
    for record in records:
        assert record["service"] == "client"
        assert datetime.fromisoformat(record["timestamp"]).tzinfo is not None


def test_records_within_a_run_carry_its_correlation_id(records: list[dict[str, Any]]) -> None:
    delivered, failed, outside = records
    assert (delivered["correlation_id"], delivered["run_id"], delivered["images"]) == ("abc", "run-0123456789ab", 3)
    assert failed["correlation_id"] == "abc"
    assert "correlation_id" not in outside


def test_a_traceback_is_data_not_lines(records: list[dict[str, Any]]) -> None:
    assert records[1]["exception"][0]["exc_type"] == "ZeroDivisionError"


@pytest.mark.parametrize("log_format", ["json", "console"])
def test_no_traceback_shows_what_variables_held(log_format: str) -> None:
    text = "\n".join(logged(log_format))
    assert "ZeroDivisionError" in text
    assert "not for any log" not in text


def test_the_level_is_the_settings() -> None:
    assert json.loads(logged("json", "DEBUG")[0])["event"] == "quiet"
    assert [json.loads(line)["event"] for line in logged("json", "ERROR")] == ["task_failed"]


def test_for_a_terminal_records_are_text() -> None:
    first = logged("console")[0]
    assert "update_delivered" in first
    assert not first.startswith("{")


@pytest.mark.parametrize("log_format", ["json", "console"])
def test_no_record_shows_the_credentials_of_a_url(log_format: str) -> None:
    lines = logged(log_format, password="pw~1")
    text = "\n".join(lines)
    assert "pw~1" not in text
    assert text.count("redis://***@host:6379/0") >= 4, "a value, a list, the cause of an error, another library's message"
    if log_format == "json":
        assert json.loads(lines[-1])["event"] == "lost redis://***@host:6379/0"


def test_a_name_steers_no_terminal_and_fits_every_encoding() -> None:
    (line,) = (line for line in logged("console", password="pw~1", encoding="latin-1") if "connecting" in line)
    assert "\\u0416\\x1b[2J\\u202e" in line
    assert "\x1b[2J" not in line


@pytest.mark.parametrize("log_format", ["json", "console"])
def test_a_record_that_is_repeated_without_end_does_not_fill_the_disk(log_format: str) -> None:
    lines = logged(log_format, "WARNING", repeat="repeat")
    assert len(lines) < 60
    assert sum("away" in line for line in lines) == sum("socket.accept()" in line for line in lines) == 11
    if log_format == "json":
        ours, theirs = (json.loads(line) for line in lines[-2:])
        assert (ours["event"], ours["run_id"], ours["repeated"], ours["service"]) == ("away", "a", 990, "client")
        assert theirs["event"] == "socket.accept() out of system resource (repeated 990 times)"
