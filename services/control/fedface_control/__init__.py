"""Control: the API, the worker that moves runs on, and the sweep. Never imports torch."""
