"""Automatic sleep staging: XSleepNet and its baselines, from recordings to tables."""

__version__ = "0.1.0"
