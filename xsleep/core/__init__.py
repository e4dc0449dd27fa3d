"""Errors, stages, recordings and files: what every other package stands on."""
