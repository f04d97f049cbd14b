WRONG = {
    'check_trapezoid': [
        (
            """
def trapezoid(t, T, lr_max, up=0.1, down=0.2):
    if t < T * up: return lr_max * t / (T * up)
    if t < T * (1 - down): return lr_max
    return lr_max * (1 - (t - T * (1 - down)) / T)
""",
            'Half-way down',
        ),
        (
            """
def trapezoid(t, T, lr_max, up=0.1, down=0.2):
    rise, fall = int(T * up), int(T * down)
    if t < rise or not fall: return lr_max * t / rise
    return lr_max if t < T - fall else lr_max * (T - t) / fall
""",
            'ZeroDivisionError',
        ),
    ],
}
