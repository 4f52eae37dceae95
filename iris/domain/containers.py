"""The labels by which containers of attempts are found again."""

from __future__ import annotations

VM_LABEL = "iris.vm"  # the VM's folder
UID_LABEL = "iris.attempt"
