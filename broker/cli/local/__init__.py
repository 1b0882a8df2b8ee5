"""A whole cluster on this machine: its folders, its processes, and the screen that shows them."""
