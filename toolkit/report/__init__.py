"""What a scored set leaves behind."""
