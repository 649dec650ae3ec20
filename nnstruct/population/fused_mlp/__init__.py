"""The compiled training loop of multilayer perceptrons."""
