"""Errors, sleep stages, recordings, settings and files: the base of every other package."""
