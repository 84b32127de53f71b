"""Destinations of what the pipeline found: the database and the metrics. One destination a module."""
