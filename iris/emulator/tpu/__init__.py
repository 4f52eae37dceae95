"""Cloud TPU of the emulator: slices, queued resources and their operations."""
