"""What `inv validate` has a cluster run: one small program that travels as a bundle."""
