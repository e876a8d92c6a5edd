"""Whether a running stack is what its configuration declares; nothing here changes anything."""
