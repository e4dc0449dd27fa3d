"""Layers written for speed: spectra, backward passes and GPU kernels in place of plain code."""
