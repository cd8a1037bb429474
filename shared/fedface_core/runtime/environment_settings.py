"""What the settings of every process have in common: where they come from, its log, and the end if one is wrong."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Literal, NoReturn, TypeVar

from pydantic import ValidationError
from pydantic_core import ErrorDetails
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

from fedface_core.domain.errors import InvalidInputError
from fedface_core.runtime.exit_message import CONFIGURATION
from fedface_core.runtime.secret_files import SecretFiles


class EnvironmentSettings(BaseSettings):
    """Settings from environment variables with the prefix ``FEDFACE_``, and secrets from the files that such variables name.

    `pydantic.ValidationError` if a setting is missing or wrong; `InvalidInputError` if the file of a secret is.
    """

    model_config = SettingsConfigDict(env_prefix="FEDFACE_", extra="ignore", frozen=True, hide_input_in_errors=True)

    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = "INFO"
    log_format: Literal["json", "console"] = "json"

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,  # noqa: ARG003 - FedFace reads no .env
        file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003 - ours takes its place
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Settings are read from arguments, then from the environment, then from the files of secrets."""
        return init_settings, env_settings, SecretFiles(settings_cls)


SettingsT = TypeVar("SettingsT", bound=EnvironmentSettings)


def settings_or_exit(kind: type[SettingsT]) -> SettingsT:
    """The settings of type ``kind``. If one is missing or wrong, the process says which, and exits with status 78."""
    try:
        return kind()
    except ValidationError as error:
        exit_with_problems([_problem(one) for one in error.errors()])
    except InvalidInputError as error:  # the files of secrets
        exit_with_problems(str(error).splitlines())


def exit_with_problems(problems: Sequence[str]) -> NoReturn:
    """Print each problem of the settings on standard error, and exit with status 78."""
    for problem in problems:
        print(f"settings: {problem}", file=sys.stderr)
    sys.exit(CONFIGURATION)


def _problem(error: ErrorDetails) -> str:
    name = "_".join(str(part) for part in error["loc"]).upper()
    message = "is not set" if error["type"] == "missing" else error["msg"].removeprefix("Value error, ")
    return f"FEDFACE_{name} {message}" if name else message
