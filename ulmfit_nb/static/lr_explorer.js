// The learning-rate explorer: `view` says which of its two pictures to draw.
import { stlr, one_cycle, cosine_annealing, linear_decay, gradual_unfreezing, rate_grid } from './schedules.js';
import { el, keepDrawn, newSvg, nice, path, short, viridis, widthOf } from './svg.js';

const GROUPS = ['embedding', 'lstm 1', 'lstm 2', 'lstm 3', 'head'];

// Steps 0 to T - 1 are the ones that train; the curves go on to T, where they end.
function curves(get) {
  const T = get('T'), lr_max = get('lr_max');
  const lines = [
    ['linear', t => linear_decay(t, T, lr_max)],
    ['cosine', t => cosine_annealing(t, T, lr_max)],
    ['one-cycle', t => one_cycle(t, T, lr_max)],
    ['STLR', t => stlr(t, T, lr_max, get('cut_frac'), get('ratio'))],
  ];
  const steps = Array.from({ length: T + 1 }, (_, t) => t);
  return lines.map(([name, f]) => ({ name, key: name.toLowerCase().replace('-', ''), steps, rates: steps.map(f) }));
}

const NARROW = 540;   // below, what explains a picture stands under it, not beside it

function draw_schedule(svg, get, w) {
  const narrow = w < NARROW, [left, top, right, bottom] = [narrow ? 74 : 84, 14, narrow ? w - 14 : w - 220, 288], h = 340;
  const T = get('T'), lr_max = get('lr_max'), lines = curves(get), [high, tick] = nice(lr_max);
  const x = t => left + (right - left) * t / T, y = r => bottom - (bottom - top) * r / high;
  svg.setAttribute('viewBox', `0 0 ${w} ${narrow ? h + 240 : h}`);
  for (let r = 0; r <= high * 1.001; r += tick) {
    el(svg, 'line', { x1: left, x2: right, y1: y(r), y2: y(r), class: 'grid' });
    el(svg, 'text', { x: left - 8, y: y(r) + 4, 'text-anchor': 'end' }, short(r));
  }
  const [, across] = nice(T), each = Math.max(1, across);
  for (let t = 0; t <= T; t += each) {
    el(svg, 'line', { x1: x(t), x2: x(t), y1: bottom, y2: bottom + 5, class: 'axis' });
    el(svg, 'text', { x: x(t), y: bottom + 20, 'text-anchor': 'middle' }, short(t));
  }
  el(svg, 'line', { x1: left, x2: right, y1: bottom, y2: bottom, class: 'axis' });
  el(svg, 'text', { x: (left + right) / 2, y: h - 8, 'text-anchor': 'middle' }, 'step of the phase (batches)');
  el(svg, 'text', { transform: `translate(14 ${(top + bottom) / 2}) rotate(-90)`, 'text-anchor': 'middle' }, 'learning rate (per update)');
  for (const line of lines) {
    el(svg, 'path', { d: path(line.steps.map(x), line.rates.map(y)), class: `line ${line.key}`, 'data-name': line.name });
    if (line.key === 'stlr' && T <= 60)
      for (const t of line.steps.slice(0, T)) el(svg, 'circle', { cx: x(t), cy: y(line.rates[t]), r: 3.5, class: 'stlr dot' });
  }
  const cut = Math.max(1, Math.floor(T * get('cut_frac')));
  const notes = [`up ${cut}, down ${T - cut} steps`, `lowest rate ${short(lr_max / get('ratio'))}`];
  legend(svg, [...lines].reverse(), T, lr_max, notes, narrow ? left : right + 26, narrow ? h + 24 : top + 12);
}

// Beside the curves: a sample of each line, its name, and its mean over the steps that train.
function legend(svg, lines, T, lr_max, more, x, y) {
  for (const { name, key, rates } of lines) {
    const mean = rates.slice(0, T).reduce((a, b) => a + b, 0) / T;
    const notes = [`mean ${Math.round(100 * mean / lr_max)} % of the peak`, ...(key === 'stlr' ? more : [])];
    el(svg, 'path', { d: `M${x},${y - 4}h30`, class: `line ${key}` });
    el(svg, 'text', { x: x + 38, y, class: key === 'stlr' ? 'strong' : '' }, name);
    notes.forEach((text, i) => el(svg, 'text', { x: x + 38, y: y + 17 * (i + 1), class: 'faint' }, text));
    y += 30 + 17 * notes.length;
  }
}

const LOW = 1e-5, HIGH = 1e-1;   // the ends of the colour scale
const shade = rate => viridis(Math.log10(rate / LOW) / Math.log10(HIGH / LOW));

function draw_layers(svg, get, w) {
  const grid = rate_grid(gradual_unfreezing(GROUPS, get('lr'), get('epochs'), get('factor')), GROUPS).reverse();
  const narrow = w < NARROW, [left, top, right, row] = [narrow ? 90 : 92, 12, narrow ? w - 4 : w - 220, 40], n = grid[0].length, col = (right - left) / n;
  const bottom = top + row * grid.length, h = bottom + 50;
  svg.setAttribute('viewBox', `0 0 ${w} ${narrow ? h + 200 : h}`);
  grid.forEach((rates, i) => {
    el(svg, 'text', { x: left - 8, y: top + row * (i + 0.5) + 4, 'text-anchor': 'end' }, [...GROUPS].reverse()[i]);
    rates.forEach((rate, j) => cell(svg, left + col * j, top + row * i, col, row, rate, `${[...GROUPS].reverse()[i]}, epoch ${j + 1}`));
  });
  for (let j = 0; j < n; j++) el(svg, 'text', { x: left + col * (j + 0.5), y: bottom + 18, 'text-anchor': 'middle' }, j + 1);
  el(svg, 'text', { x: (left + right) / 2, y: h - 8, 'text-anchor': 'middle' }, 'epoch (pass over the labelled texts)');
  scale(svg, narrow ? left : right + 26, narrow ? h + 20 : top + 12, narrow ? 178 : row * grid.length - 12);
}

function cell(svg, x, y, w, h, rate, what) {
  const rect = el(svg, 'rect', { x: x + 1, y: y + 1, width: w - 2, height: h - 2, rx: 2, class: rate ? 'cell' : 'cell frozen', 'data-rate': rate });
  el(rect, 'title', {}, `${what}: ${rate ? short(rate) : 'frozen'}`);
  if (!rate) return;
  const { fill, ink } = shade(rate);
  rect.setAttribute('fill', fill);
  if (w < 50) return;   // no room for the figure: its colour says it, and its title
  el(svg, 'text', { x: x + w / 2, y: y + h / 2 + 4, 'text-anchor': 'middle', style: `fill: ${ink}`, class: 'rate' }, rate.toExponential(1));
}

function scale(svg, x, y, height) {
  el(svg, 'text', { x, y, class: 'strong' }, 'highest rate');
  const bar = height - 50, parts = 40, at = u => y + 14 + bar * (1 - u);
  for (let i = 0; i < parts; i++)
    el(svg, 'rect', { x, y: at((i + 1) / parts), width: 16, height: bar / parts + 0.5, fill: viridis((i + 0.5) / parts).fill });
  for (let power = -5; power <= -1; power++) el(svg, 'text', { x: x + 24, y: at((power + 5) / 4) + 4 }, power === -5 ? '1e-5 or less' : `1e${power}`);
  el(svg, 'rect', { x, y: at(0) + 14, width: 16, height: 16, rx: 2, class: 'frozen' });
  el(svg, 'text', { x: x + 24, y: at(0) + 26 }, 'frozen');
}

const VIEWS = {
  schedule: { draw: draw_schedule, label: 'Learning rate by step for STLR, one-cycle, cosine and linear schedules' },
  layers: { draw: draw_layers, label: 'Highest learning rate of each layer group in each epoch of gradual unfreezing' },
};

function render({ model, el: host }) {
  const { draw, label } = VIEWS[model.get('view')];
  host.classList.add('ulmfit-nb');
  const redraw = () => {
    const svg = newSvg(label);
    draw(svg, key => model.get(key), widthOf(host));
    host.replaceChildren(svg);
  };
  return keepDrawn(model, 'change', host, redraw);
}

export default { render };
