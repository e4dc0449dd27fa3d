"""Preparation: recordings in, filtered epochs, spectrograms, windows and folds out."""
