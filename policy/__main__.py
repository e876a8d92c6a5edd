"""What Pulumi runs when it loads the pack."""

from pack import serve

serve()
