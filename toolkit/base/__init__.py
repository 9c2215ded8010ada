"""What every room may use: errors, atomic files and locks, what differs between versions."""
