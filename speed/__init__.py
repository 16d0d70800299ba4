"""Measurements of speed and memory; ``make bench`` runs all of them."""
