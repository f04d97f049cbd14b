// The loss of a run, or of several, while it is trained: nats on the left, perplexity on the right.
import { el, keepDrawn, newSvg, nice, path, short, widthOf } from './svg.js';

const DASHES = ['', '9 4', '2 4', '9 4 2 4', '14 4', '5 3'];
const COLOURS = ['blue', 'orange', 'green', 'pink', 'grey', 'red'].map(name => `stroke: var(--nb-${name})`);

// A step of 1, 2 or 5 times a power of ten that divides a range into three to seven parts.
export function step_of(range) {
  const unit = 10 ** Math.floor(Math.log10(range));
  return [0.2, 0.5, 1, 2].map(m => m * unit).find(s => range / s <= 7);
}

// The losses at the lower and the upper edge of the picture, on ticks.
export function loss_range(curves) {
  const all = curves.flatMap(c => c.loss);
  const low = Math.min(...all), high = Math.max(...all), step = step_of(Math.max(high - low, 0.1));
  const round = x => Number(x.toPrecision(12));
  const bottom = round(Math.floor(low / step) * step), top = round(Math.ceil(high / step) * step);
  return { low: bottom, high: top > bottom ? top : round(bottom + step), step };
}

const DIGITS = [[1], [1, 2, 5], [1, 1.5, 2, 3, 4, 5, 7], [1, 1.2, 1.4, 1.6, 1.8, 2, 2.25, 2.5, 2.75, 3, 3.5, 4, 4.5, 5, 5.5, 6, 7, 8, 9]];

// Round perplexities between two losses: at least three, if there are so many; no more than there need be.
export function perplexity_ticks(low, high) {
  const found = DIGITS.map(digits => {
    const out = [];
    for (let power = Math.floor(low / Math.LN10); power <= Math.ceil(high / Math.LN10); power++)
      for (const d of digits) {
        const p = Number((d * 10 ** power).toPrecision(3));
        if (Math.log(p) >= low && Math.log(p) <= high) out.push(p);
      }
    return out;
  });
  return found.find(f => f.length >= 3) ?? found[3];
}

// 1200000 as 1.2M
export function count(n) {
  if (n >= 1e6) return `${Number((n / 1e6).toPrecision(3))}M`;
  return n >= 1e4 ? `${Number((n / 1e3).toPrecision(3))}k` : String(Math.round(n));
}

// What a curve has come to, in words.
export function standing({ name, seen, loss }, unit) {
  if (!seen.length) return `${name}: waiting`;
  const last = loss[loss.length - 1];
  return `${name}: ${last.toFixed(2)} nats` + (unit === 'tokens' ? `, perplexity ${short(Math.exp(last))}` : '');
}

function axes(svg, { left, right, top, bottom, x, y, most, range, unit, wide }) {
  const middle = (top + bottom) / 2, [, across] = nice(most);
  for (let i = 0; range.low + i * range.step <= range.high + range.step / 100; i++) {
    const l = range.low + i * range.step;
    el(svg, 'line', { x1: left, x2: right, y1: y(l), y2: y(l), class: 'grid' });
    el(svg, 'text', { x: left - 8, y: y(l) + 4, 'text-anchor': 'end' }, short(l));
  }
  for (let i = 0; i * across <= most * 1.001; i++) {
    el(svg, 'line', { x1: x(i * across), x2: x(i * across), y1: bottom, y2: bottom + 5, class: 'axis' });
    el(svg, 'text', { x: x(i * across), y: bottom + 20, 'text-anchor': 'middle' }, count(i * across));
  }
  el(svg, 'line', { x1: left, x2: right, y1: bottom, y2: bottom, class: 'axis' });
  el(svg, 'text', { x: (left + right) / 2, y: bottom + 42, 'text-anchor': 'middle' }, `${unit} seen`);
  el(svg, 'text', { transform: `translate(18 ${middle}) rotate(-90)`, 'text-anchor': 'middle' }, 'loss (nats, running mean)');
  if (unit !== 'tokens') return;
  for (const p of perplexity_ticks(range.low, range.high)) {
    const at = y(Math.log(p));
    el(svg, 'line', { x1: right, x2: right + 5, y1: at, y2: at, class: 'axis' });
    el(svg, 'text', { x: right + 10, y: at + 4, 'data-perplexity': p }, short(p));
  }
  el(svg, 'line', { x1: right, x2: right, y1: top, y2: bottom, class: 'axis' });
  el(svg, 'text', { transform: `translate(${wide - 8} ${middle}) rotate(-90)`, 'text-anchor': 'middle' }, 'perplexity');
}

function draw(svg, curves, unit, wide) {
  const [left, right, top, bottom] = [64, wide - 80, 14 + 20 * curves.length, 280 + 20 * curves.length];
  svg.setAttribute('viewBox', `0 0 ${wide} ${bottom + 52}`);
  curves.forEach((c, i) => {
    el(svg, 'path', { d: `M0,${12 + 20 * i}h30`, class: 'line', style: COLOURS[i % 6], 'stroke-dasharray': DASHES[i % 6] });
    el(svg, 'text', { x: 38, y: 16 + 20 * i, class: 'standing' }, standing(c, unit));
  });
  const begun = curves.filter(c => c.seen.length);
  if (!begun.length) return void el(svg, 'text', { x: (left + right) / 2, y: (top + bottom) / 2, 'text-anchor': 'middle' }, 'no step yet');
  const [most] = nice(Math.max(...begun.map(c => c.seen[c.seen.length - 1]))), range = loss_range(begun);
  const x = seen => left + (right - left) * seen / most, y = l => bottom - (bottom - top) * (l - range.low) / (range.high - range.low);
  axes(svg, { left, right, top, bottom, x, y, most, range, unit, wide });
  curves.forEach((c, i) => el(svg, 'path', { d: path(c.seen.map(x), c.loss.map(y)), class: 'line', style: COLOURS[i % 6],
    'stroke-dasharray': DASHES[i % 6], 'data-name': c.name }));
}

function render({ model, el: host }) {
  host.classList.add('ulmfit-nb');
  const redraw = () => {
    const curves = model.get('curves'), unit = model.get('unit');
    const svg = newSvg(`Training loss against ${unit} seen. ${curves.map(c => standing(c, unit)).join('; ')}`);
    draw(svg, curves, unit, widthOf(host));
    host.replaceChildren(svg);
  };
  return keepDrawn(model, 'change', host, redraw);
}

export default { render };
