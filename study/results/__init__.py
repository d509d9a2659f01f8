"""What a table of trials says: pure functions of its rows, and the pages made of them."""
