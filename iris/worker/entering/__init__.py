"""Lets a person into an attempt: a program of its own, for the length of a visit."""
