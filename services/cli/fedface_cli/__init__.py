"""The operator's command `fedface`, a client of the control API."""
