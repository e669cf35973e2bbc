"""Loading images for training and evaluation: dataset, loader, cache, samplers, augmentation."""
