"""What a release, a promotion, a card and a change have to pass, and the checks they ask."""
