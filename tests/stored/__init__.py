"""The stored form of each release: records as its code wrote them."""
