"""Faster computation of parts of the networks, equal to their plain versions."""
