"""Figures: tables, histories and predictions in, SVG and PNG files out."""
