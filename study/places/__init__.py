"""Where things are: the home, its folders, and the URLs of its stores."""
