WRONG = {
    'check_epochs_awake': [
        ('epochs_awake = 8', 'the head learns alone'),
        ('epochs_awake = 4', 'the last phase only'),
        ('epochs_awake = 5', 'each=2'),
        ('epochs_awake = 10', 'thawed by itself'),
        ('epochs_awake = 7', 'Write the phases down'),
        ("epochs_awake = 'six'", 'A number of epochs'),
    ],
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
            'divides by zero',
        ),
        (
            """
def trapezoid(t, T, lr_max, up=0.1, down=0.2):
    rise, fall = int(T * up), int(T * down)
    if t < rise: return lr_max * t / rise
    return lr_max if t < T - fall else lr_max * (T - t) / fall
""",
            'With T = 9 there is no rise',
        ),
        (
            """
def trapezoid(t, T, lr_max, up=0.1, down=0.2):
    return lr_max * min(1, t / (T * 0.1), (T - t) / (T * 0.2))
""",
            'written out as a number',
        ),
        (
            """
def trapezoid(t, T, lr_max, up=0.1, down=0.2):
    return lr_max * min(t / (T * up), (T - t) / (T * down))
""",
            'must not exceed lr_max',
        ),
        (
            """
def trapezoid(t, T, lr_max, up=0.1, down=0.2):
    rise = max(1, int(T * up))
    if t < rise: return lr_max * t / rise
    return lr_max * min(1, 1 - (t - T * (1 - down)) / (rise * down / up))
""",
            'below zero',
        ),
    ],
    'check_phases_of': [
        (
            """
def phases_of(grid, names):
    return [Phase([n for n, r in zip(names, c) if r], [r for r in c if r]) for c in zip(*grid)]
""",
            'a phase of each column',
        ),
        ('def phases_of(grid, names): return [Phase(list(names), list(c)) for c in zip(*grid)]', 'is frozen'),
        (
            """
def phases_of(grid, names):
    plan = {}
    for c in zip(*grid): plan[c] = plan.get(c, 0) + 1
    return [Phase([n for n, r in zip(names, c) if r], [r for r in c if r], k) for c, k in plan.items()]
""",
            'side by side',
        ),
        (
            """
def phases_of(grid, names):
    plan = []
    for c in zip(*grid):
        groups, lrs = [n for n, r in zip(names, c) if r], [r for r in c if r]
        if plan and plan[-1].groups == groups: plan[-1] = Phase(groups, lrs, plan[-1].epochs + 1)
        else: plan.append(Phase(groups, lrs))
    return plan
""",
            'at other rates',
        ),
        (
            """
def phases_of(grid, names):
    plan = []
    for c in zip(*grid):
        groups, lrs = [n for n, r in zip(names, c) if r], [r for r in c if r]
        if not plan or plan[-1].lrs != lrs: plan.append(Phase(groups, lrs))
    return plan
""",
            'Made into a table again',
        ),
        (
            """
def phases_of(grid, names):
    plan = []
    for c in zip(*grid):
        groups, lrs = [n for n, r in zip(names, c) if r], [r for r in c if r]
        if plan and plan[-1].lrs == lrs: plan[-1] = plan[-1]._replace(epochs=plan[-1].epochs + 1)
        else: plan.append(Phase(groups, lrs))
    return plan
""",
            'compare the names as well',
        ),
    ],
    'check_fair_peak': [
        ('def fair_peak(schedule, T, lr): return 2 * lr', 'only there'),
        ('def fair_peak(schedule, T, lr): return sum(schedule(t, T, lr_max=lr) for t in range(T)) / T', 'the reverse'),
        ('def fair_peak(schedule, T, lr): return lr * (T + 1) / sum(schedule(t, T, lr_max=1.) for t in range(T + 1))', 'a step too many'),
        ('def fair_peak(schedule, T, lr): return lr / schedule(T // 2, T, lr_max=1.) * 1.01', 'needs a peak of'),
    ],
    'check_higher_peak': [
        ('peak = 0.01', "the paper's own"),
        ("peak = 'higher'", 'A rate above 0'),
        ('peak = 0.02', 'the slope of the range test goes on'),
        ('peak = 3.', 'begun to bounce'),
        ('peak = 100', 'anywhere'),
    ],
}
