"""Pure decisions: a snapshot and a time in, a frozen plan with reasons out."""
