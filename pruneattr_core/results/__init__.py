"""What is computed of one picture, each result named by a frozen value that says all it depends on."""
