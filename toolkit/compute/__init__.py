"""Where and in what portions: device, precision, processes, memory, batches."""
