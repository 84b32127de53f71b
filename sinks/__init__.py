"""Destinations of what the pipeline found, listed in `table`, one a module or folder; and the metrics."""
