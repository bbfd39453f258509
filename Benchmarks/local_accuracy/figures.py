"""Errors and ranks."""

from statistics import mean


def ranks(values: list[float]) -> list[float]:
    """Places in order, equal values sharing the mean of theirs."""
    order = sorted(values)
    places: dict[float, list[int]] = {}
    for place, value in enumerate(order):
        places.setdefault(value, []).append(place)
    return [mean(places[value]) for value in values]


def correlation(first: list[float], second: list[float]) -> float:
    """Spearman's; 1 where there is nothing to rank."""
    first, second = ranks(first), ranks(second)
    middle = mean(first)
    both = sum((a - middle) * (b - middle) for a, b in zip(first, second))
    spread = sum((a - middle) ** 2 for a in first) * sum((b - middle) ** 2 for b in second)
    return both / spread**0.5 if spread else 1


def mean_error(values: list[float]) -> float:
    return mean(map(abs, values))


def worst(values: list[float]) -> float:
    return max(values, key=abs)
