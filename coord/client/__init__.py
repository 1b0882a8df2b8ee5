"""The public trio client."""
