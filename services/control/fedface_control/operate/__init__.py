"""What operators ask of runs and of their rounds."""
