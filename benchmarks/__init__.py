"""What pyrnn costs, beside its own reference and beside PyTorch."""
