"""The trio shell of a coordination server: connections, the write pipeline, links between peers, words."""
