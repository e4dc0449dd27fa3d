"""The audit: what was measured beside what is published, and checks that can fail."""
