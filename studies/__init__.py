"""Questions answered with figures; each module is a command and fills docs/studies."""
