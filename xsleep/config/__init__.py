"""The configuration of a study: YAML files in, checked settings out."""
