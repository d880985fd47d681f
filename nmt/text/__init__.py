"""Text into token ids and back: Unicode normalisation and SentencePiece."""
