"""Secret settings from files, as Docker and Kubernetes give secrets: ``FEDFACE_X_FILE`` names the file of ``FEDFACE_X``.

The secrets directory of pydantic-settings would take a file for each setting by its name, whatever its size, and would pass
over one that is missing or is given twice. Here each file is named, so that a wrong one is an error.
"""

from __future__ import annotations

import os
from typing import Any

from pydantic import SecretStr
from pydantic.fields import FieldInfo
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource

from fedface_core.domain.errors import InvalidInputError
from fedface_core.files.secret_file import secret_in


class SecretFiles(PydanticBaseSettingsSource):
    """The settings of type `SecretStr` whose environment variable with ``_FILE`` behind its name names a file.

    One line end at the end of a file is no part of the secret. `InvalidInputError`, which names every wrong variable and
    quotes no secret, if a secret is given by a file and by the environment, or if a file cannot be read, is empty, is no
    text or has more than `fedface_core.files.secret_file.MAX_SECRET_BYTES`.
    """

    def __init__(self, settings: type[BaseSettings]) -> None:
        super().__init__(settings)
        prefix = str(settings.model_config["env_prefix"])
        # As pydantic-settings: small letters are as good as capitals.
        self._environment = {name.upper(): value for name, value in os.environ.items()}
        self._variables = {field: f"{prefix}{field}".upper() for field in secret_fields(settings)}

    def get_field_value(self, field: FieldInfo, field_name: str) -> tuple[Any, str, bool]:  # noqa: ARG002 - the library's
        """The secret in the file of one setting, or None; the setting's name; and that the value is no JSON."""
        variable = self._variables.get(field_name)
        path = self._environment.get(f"{variable}_FILE")
        if variable is None or path is None:
            return None, field_name, False
        if variable in self._environment:
            raise InvalidInputError(f"{variable} and {variable}_FILE are both set: set one of them")
        return secret_in(path, f"{variable}_FILE"), field_name, False

    def __call__(self) -> dict[str, Any]:
        """The secrets that are given by files, by the names of their settings."""
        found: dict[str, Any] = {}
        problems: list[str] = []
        for name, field in self.settings_cls.model_fields.items():
            try:
                value, _, _ = self.get_field_value(field, name)
            except InvalidInputError as error:
                problems.append(str(error))
                continue
            if value is not None:
                found[name] = value
        if problems:
            raise InvalidInputError("\n".join(problems))
        return found


def secret_fields(settings: type[BaseSettings]) -> list[str]:
    """The names of the settings that are secrets."""
    return [name for name, field in settings.model_fields.items() if _holds_secret(field.annotation)]


def _holds_secret(annotation: Any) -> bool:
    if annotation is SecretStr:
        return True
    return any(_holds_secret(part) for part in getattr(annotation, "__args__", ()))
