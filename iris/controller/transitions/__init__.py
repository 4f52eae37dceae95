"""What may happen to State, by subject; each function works on a Change."""
