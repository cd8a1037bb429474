"""The `fedface` command."""
