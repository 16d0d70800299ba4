"""Other libraries that compute influences or ask for rows, beside salutary."""
