"""What goes on in a running stack, for people and for scripts."""
