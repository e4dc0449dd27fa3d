"""Computation: hardware in; the device and the processes that networks run on out."""
