"""The sum of the squares of its arguments, as a program of one line of output."""

import sys

print("sum of squares", sum(int(word) ** 2 for word in sys.argv[1:]))
