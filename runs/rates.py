"The best of some learning rates, and of others beyond while the best is the lowest or the highest: no way is compared at a rate that isn't its best."

from collections.abc import Callable, Iterator


def rates_to_try(first: list[float], tried: dict[str, float], more: int = 3, best: Callable = max) -> Iterator[float]:
    "Rates that `tried` (rate, as a string, → score) lacks: those given, each as many times the one before, and up to `more` beyond. `best`: max or min."
    for rate in (float(f'{rate:.6g}') for rate in first):
        if str(rate) not in tried:
            yield rate
    while 1 < len(first) <= len(tried) < len(first) + more:
        step, rates, top = first[1] / first[0], [*map(float, tried)], float(best(tried, key=tried.get))
        beyond = top / step if top == min(rates) else top * step if top == max(rates) else None
        if beyond is None:
            return
        yield float(f'{beyond:.6g}')


def best_rate(first: list[float], score: Callable[[float], float], tried: dict[str, float] = None, keep: Callable = lambda: None) -> tuple[float, float]:
    "The rate of the highest score, and that score; 0 where training diverges. `keep` is called whenever `tried` has one more."
    tried = {} if tried is None else tried
    for rate in rates_to_try(first, tried):
        try:
            tried[str(rate)] = score(rate)
        except FloatingPointError:
            tried[str(rate)] = 0.0
        keep()
    best = max(tried, key=tried.get)
    return float(best), tried[best]
