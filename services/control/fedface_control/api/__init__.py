"""The control API: its process (``python -m fedface_control.api``), its routes, and its views of runs and rounds."""
