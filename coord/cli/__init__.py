"""Command lines: coord server, coord shell."""
