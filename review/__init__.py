"""What an update would do, in words for a pull request, and where the words are put."""
