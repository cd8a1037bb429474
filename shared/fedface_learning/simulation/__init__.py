"""Whole runs in one process."""
