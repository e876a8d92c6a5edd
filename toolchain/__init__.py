"""What `make` runs: installs what is missing, builds images, drives Pulumi. Standard library only."""
