"""Figures: tables, histories and predictions in, SVG, PDF and PNG files out.

What is here is known without Matplotlib.
"""

FORMATS = ("svg", "pdf", "png")
"""Suffixes of the files that each figure is written as."""

STAGE_COLOURS = dict(W="#F7EC8A", REM="#E0662F", N1="#86C5EA", N2="#22598F", N3="#0B1E3E")
"""Colours of the stages from the top of a hypnogram down: the deeper, the darker blue, and REM red.
They are told apart in grey and by the colour-blind."""
