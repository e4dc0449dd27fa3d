"""The HDF5 store: recordings and predictions in, the same or slices of them out."""
