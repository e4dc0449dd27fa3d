"""Results: predictions in, tables, figures, audit and pages out."""
