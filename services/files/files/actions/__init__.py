"""What files does. Each step that can be cut off leaves a row by which the cleanup finds what it left behind."""
