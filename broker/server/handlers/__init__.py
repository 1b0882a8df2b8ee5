"""One file for each API: authorise, validate, delegate, shape the reply."""
