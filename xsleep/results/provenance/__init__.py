"""Provenance: the records of a run in, a crate and checklists out."""
