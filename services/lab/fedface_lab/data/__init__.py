"""Commands that align raw photographs and draw contact sheets."""
