"""The HDF5 store: signals, spectrograms and predictions written and read."""
