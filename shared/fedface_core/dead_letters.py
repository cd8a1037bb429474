"""``python -m fedface_core.dead_letters`` prints the messages that workers have dropped, without the API.

It runs in the environment of any service, whose settings say where the broker is.
"""

from __future__ import annotations

import json

from fedface_core.bootstrap import connect_dead_letters
from fedface_core.domain.dead_letter import MOST_LETTERS
from fedface_core.runtime.exit_message import exit_message
from fedface_core.runtime.settings import Settings, load_settings


@exit_message("dead letters")
def main() -> None:
    """Print the dead letters, one line of JSON each, the newest first. Only ASCII is printed."""
    for letter in connect_dead_letters(load_settings(Settings)).newest(MOST_LETTERS):
        text = json.dumps(letter.model_dump(mode="json"), allow_nan=False)
        print(text.replace("\x7f", "\\u007f"))


if __name__ == "__main__":
    main()
