"""Read-only questions: one module, one question; `ask(session)` answers it."""
