"""Downloads: addresses of published files in, verified files in a folder out."""
