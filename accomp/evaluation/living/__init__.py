"""A player who rests, changes tempo, plays softly or not at all: scenes made from songs, and what the model makes of them."""
