"""What a person types after `inv`: one module, one namespace."""
