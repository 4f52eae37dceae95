"""How fast Iris is; never a timed test. See README.md."""
