// The functions of ulmfit_nb.schedules, under their Python names. tests/test_schedules.py compares the two.

export function stlr(t, T, lr_max = 0.01, cut_frac = 0.1, ratio = 32) {
  const cut = Math.max(1, Math.floor(T * cut_frac));
  const p = t < cut ? t / cut : 1 - (t - cut) / Math.max(1, T - cut);
  return lr_max * (1 + p * (ratio - 1)) / ratio;
}

export function cosine(pos, start, end) {
  return start + (1 + Math.cos(Math.PI * (1 - pos))) * (end - start) / 2;
}

export function one_cycle(t, T, lr_max = 0.01, pct_start = 0.25, div = 25, div_final = 1e5) {
  const pos = t / T;
  if (pos < pct_start) return cosine(pos / pct_start, lr_max / div, lr_max);
  return cosine((pos - pct_start) / (1 - pct_start), lr_max, lr_max / div_final);
}

export function cosine_annealing(t, T, lr_max = 0.01) {
  return cosine(t / T, lr_max, 0);
}

export function linear_decay(t, T, lr_max = 0.01) {
  return lr_max * (1 - t / T);
}

export function discriminative(lr, n, factor = 2.6) {
  return Array.from({ length: n }, (_, i) => lr / factor ** (n - 1 - i));
}

export function gradual_unfreezing(names, lr = 0.01, epochs = 3, factor = 2.6, each = 1, steps = null) {
  const n = names.length, lrs = discriminative(lr, n, factor);
  const last = steps === null ? n - 1 : Math.min(steps, n - 1);
  const phase = (k, epochs) => ({ groups: names.slice(n - k), lrs: lrs.slice(n - k), epochs });
  return [...Array.from({ length: last }, (_, i) => phase(i + 1, each)), phase(n, epochs)];
}

export function rate_grid(plan, names) {
  const columns = plan.flatMap(p => Array.from({ length: p.epochs }, () => new Map(p.groups.map((g, i) => [g, p.lrs[i]]))));
  return names.map(name => columns.map(c => c.get(name) ?? 0));
}
