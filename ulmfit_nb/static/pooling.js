// For a review: which words won the maximum, and what each word brought to the verdict by way of the last vector, the maximum and the mean.
import { node, radios, tint, signed, wordRow, scaleBar, visible } from './words.js';
import { el, newSvg, onWidth, widthOf } from './svg.js';

export const PARTS = ['last', 'max', 'mean'];
export const VIEWS = ['wins', ...PARTS, 'all'];
const NAMES = ['wins of the maximum', 'last', 'max', 'mean', 'all three'];

export function sum(xs) {
  return xs.reduce((a, b) => a + b, 0);
}

// What each token is coloured by: its wins, or what it brought by one part or by all.
export function values(view, wins, parts) {
  if (view === 'wins') return wins;
  const j = PARTS.indexOf(view);
  return parts.map(row => j < 0 ? sum(row) : row[j]);
}

// What each part brought, summed over the tokens.
export function by_part(parts) {
  return PARTS.map((_, j) => sum(parts.map(row => row[j])));
}

export function plus(x) {
  return `${x < 0 ? '−' : '+'}${Math.abs(x).toFixed(2)}`;
}

// Bars that begin where the one before ends: the average text, then each part, then the verdict.
export function steps(start, totals) {
  const ends = totals.reduce((at, x) => [...at, at[at.length - 1] + x], [start]);
  return [['average text', 0, start], ...PARTS.map((p, j) => [p, ends[j], ends[j + 1]]), ['this text', 0, ends[PARTS.length]]];
}

function waterfall(parent, cls, start, totals) {
  const wide = widthOf(parent), narrow = wide < 560, svg = newSvg();
  const rows = steps(start, totals), [left, right, row] = [narrow ? 108 : 120, wide - (narrow ? 64 : 120), 26];
  svg.setAttribute('viewBox', `0 0 ${wide} ${narrow ? 176 : 160}`);
  parent.replaceChildren(svg);
  const ends = rows.flatMap(r => [r[1], r[2]]), low = Math.min(0, ...ends), high = Math.max(0, ...ends), span = high - low || 1;
  const x = v => left + (right - left) * (v - low) / span;
  svg.setAttribute('aria-label', `Margin for ${cls}: ` + rows.map(([name, a, b]) => `${name} ${plus(b - a)}`).join(', '));
  rows.forEach(([name, a, b], i) => {
    const y = 4 + row * i, whole = i === 0 || i === rows.length - 1;
    el(svg, 'text', { x: left - 10, y: y + 16, 'text-anchor': 'end', class: whole ? 'strong' : '' }, name);
    el(svg, 'rect', { x: x(Math.min(a, b)), y: y + 2, width: Math.max(1, Math.abs(x(b) - x(a))), height: row - 6, rx: 2,
      class: b < a ? 'step against' : 'step amount', 'data-name': name, 'fill-opacity': whole ? 1 : 0.75 });
    el(svg, 'text', { x: Math.max(x(a), x(b)) + 8, y: y + 16 }, plus(b - a));
  });
  el(svg, 'line', { x1: x(0), x2: x(0), y1: 2, y2: 4 + row * rows.length, class: 'axis' });
  const foot = ['0: undecided; right of it', `speaks for ${cls} (margin, in logits)`], anchor = x(0) > 0.7 * wide ? 'end' : x(0) < 0.3 * wide ? 'start' : 'middle';
  (narrow ? foot : [foot.join(' ')]).forEach((text, i) => el(svg, 'text', { x: x(0), y: 152 + 17 * i, 'text-anchor': anchor, class: 'faint' }, text));
}

function detail(panel, tokens, wins, parts, i) {
  const n = sum(wins);
  panel.textContent = `“${visible(tokens[i])}”, token ${i + 1} of ${tokens.length}: won ${wins[i]} of ${n} features. Brought `
    + `${PARTS.map((p, j) => `${p} ${plus(parts[i][j])}`).join(', ')}; together ${plus(sum(parts[i]))}.`;
}

function render({ model, el: host }) {
  host.classList.add('ulmfit-nb');
  let repaint = () => {}, still = () => {};
  const draw = () => {
    const [tokens, wins, parts, cls, start] = ['tokens', 'wins', 'parts', 'cls', 'start'].map(k => model.get(k));
    host.replaceChildren();
    node(host, 'p', { class: 'figures' }, `Verdict in question: ${cls}, probability ${model.get('probability').toFixed(3)}.`);
    const picture = node(host, 'div'), flow = () => waterfall(picture, cls, start, by_part(parts));
    flow();
    still();
    still = onWidth(picture, flow);
    const choose = radios(host, 'Words coloured by', NAMES, i => { model.set('shown', VIEWS[i]); model.save_changes(); });
    const panel = document.createElement('div');
    panel.className = 'panel low';
    panel.setAttribute('role', 'status');
    const row = wordRow(host, tokens, 'The text, word by word; the arrow keys move from word to word', i => {
      detail(panel, tokens, wins, parts, i);
      if (model.get('at') !== i) { model.set('at', i); model.save_changes(); }
    });
    const legend = node(host, 'div');
    host.append(panel);
    const top = Math.max(1e-6, ...parts.flatMap(p => [...p, sum(p)]).map(Math.abs)), most = Math.max(1, ...wins);
    repaint = () => {
      const view = model.get('shown'), found = values(view, wins, parts);
      choose(VIEWS.indexOf(view));
      row.spans.forEach((span, i) => {
        span.style.background = view === 'wins' ? tint(wins[i] / most) : signed(found[i], top);
        span.setAttribute('aria-label', `${tokens[i]}: ` + (view === 'wins' ? `${wins[i]} features won` : plus(found[i])));
      });
      legend.replaceChildren();
      if (view === 'wins') scaleBar(legend, [tint(0), tint(1)], 'won no feature', `won ${most} of ${sum(wins)}`);
      else scaleBar(legend, [signed(-1, 1), tint(0), signed(1, 1)], `against ${cls}, ${plus(-top)}`, `for ${cls}, ${plus(top)}`);
    };
    const at = Math.min(model.get('at'), tokens.length - 1);
    row.mark(at);
    detail(panel, tokens, wins, parts, at);
    repaint();
  };
  const again = () => repaint();
  const data = 'change:tokens change:wins change:parts change:cls change:start change:probability';
  model.on(data, draw);
  model.on('change:shown', again);
  draw();
  return () => { still(); model.off(data, draw); model.off('change:shown', again); };
}

export default { render };
