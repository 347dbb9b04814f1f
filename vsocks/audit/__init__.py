"""What guests have done, for those who must know: records, lines, and how floods are folded."""
