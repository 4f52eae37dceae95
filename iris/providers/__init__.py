"""Where slices come from: one module, one provider."""
