"""Training: stored recordings and settings in, a trained network out."""

CHECKPOINT = "checkpoint.pt"
"""Name of the file in the run's folder while it trains. The caller of the training deletes it once
all files of the run are written."""
