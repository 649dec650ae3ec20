"""One way to a sparser network a file, and the arithmetic that several of them share."""
