"""What an operator does to the directory and the minutes: one command per operation, one service for all."""
