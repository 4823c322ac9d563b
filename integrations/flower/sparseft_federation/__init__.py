"""Federated rounds on Flower over the sparse updates that sparseft trains."""
