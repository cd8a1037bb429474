"""The commands, where environments that are already installed look for them; new ones look in `loadtest.commands`."""

from loadtest.commands import app

__all__ = ["app"]
