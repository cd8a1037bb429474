"""The API: its process (``python -m fedface_control.api``), its routes, and what it shows of runs and rounds."""
