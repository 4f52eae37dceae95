"""The nouns of Iris as frozen structs, and their legal moves as tables."""
