"""The form of an update, its encodings, and the checks of what strangers upload."""
