"""What modules of members are told to change, compared with backpropagation through all of them."""
