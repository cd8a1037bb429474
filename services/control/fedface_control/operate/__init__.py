"""The actions of operators on runs and on their rounds."""
