"""Where and by how many processes networks compute."""
