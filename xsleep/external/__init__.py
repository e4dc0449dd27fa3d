"""External systems: predictions, stagers and controls in; predictions of Table 2 out."""
