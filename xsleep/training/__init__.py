"""Training: stored recordings and settings in, a trained network out."""
