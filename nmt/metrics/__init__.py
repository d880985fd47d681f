"""How good a translation is: scores that other people can reproduce, each with its signature."""
