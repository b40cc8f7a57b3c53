"""Other people's few-shot methods, trained and chosen on val."""
