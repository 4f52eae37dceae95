"""One module for each step; its number is its revision."""
