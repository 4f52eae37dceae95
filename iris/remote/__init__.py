"""SSH to a cluster's VMs, and the tunnel that all commands share."""
