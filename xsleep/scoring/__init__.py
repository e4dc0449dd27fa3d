"""Scoring: a trained network and recordings in, stage probabilities out."""
