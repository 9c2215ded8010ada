"""The rooms of the house: one idea a file. None of them imports utils.py or a script."""
