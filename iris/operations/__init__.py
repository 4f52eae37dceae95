"""What commands do: each reads like the runbook that it replaces."""
