"""`make bench`: how close the product is to a floor written by hand. Measures and prints; asserts nothing."""
