"""Graph neural networks: an encoder of nodes, and a linear classifier behind it."""
