"""How attempts run on a VM: one module, one runtime."""
