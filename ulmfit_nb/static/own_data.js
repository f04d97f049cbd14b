// What is in a table of texts: how many of each label, how long, how much of it a language model knows, and how long the stages would take.
import { node } from './words.js';
import { el, keepDrawn, nice, short, widthOf } from './svg.js';

const clip = (text, n) => [...text].length > n ? `${[...text].slice(0, n - 1).join('')}…` : text;
export const percent = share => `${(100 * share).toFixed(share > 0.995 && share < 1 ? 2 : 1)} %`;

export function duration(minutes) {
  if (minutes < 1) return `${Math.max(1, Math.round(60 * minutes))} s`;
  return minutes < 90 ? `${Math.round(minutes)} min` : `${(minutes / 60).toFixed(1)} hours`;
}

export function span([low, high]) {
  return high === null ? `${low} or more` : low === high ? `${low}` : `${low} to ${high}`;
}

// Horizontal bars: [name, n] each.
function bars(parent, title, rows, unit) {
  const wide = widthOf(parent), left = Math.min(180, 0.4 * wide), full = wide - left - 120, letters = Math.floor(left / 7.5);
  const svg = el(parent, 'svg', { viewBox: `0 0 ${wide} ${30 + 22 * rows.length}`, role: 'img' }), most = Math.max(1, ...rows.map(r => r[1]));
  svg.setAttribute('aria-label', `${title}: ` + rows.map(([name, n]) => `${name} ${n}`).join(', '));
  el(svg, 'text', { x: 0, y: 16, class: 'strong' }, title);
  rows.forEach(([name, n], i) => {
    const y = 26 + 22 * i;
    const label = el(svg, 'text', { x: left - 10, y: y + 14, 'text-anchor': 'end' }, clip(name, letters));
    el(label, 'title', {}, name);
    el(svg, 'rect', { x: left, y: y + 2, width: Math.max(1, full * n / most), height: 16, rx: 2, class: 'amount', 'data-name': name });
    el(svg, 'text', { x: left + 8 + full * n / most, y: y + 14 }, `${n.toLocaleString('en')}${unit}`);
  });
}

function histogram(parent, { lengths, median, longest }) {
  const wide = widthOf(parent), svg = el(parent, 'svg', { viewBox: `0 0 ${wide} 190`, role: 'img' }), [top, step] = nice(Math.max(1, ...lengths.map(b => b[2])));
  svg.setAttribute('aria-label', `Lengths in tokens: median ${median}, longest ${longest}. ` + lengths.map(b => `${span(b)}: ${b[2]}`).join(', '));
  el(svg, 'text', { x: 0, y: 16, class: 'strong' }, `Lengths in tokens: median ${median.toLocaleString('en')}, longest ${longest.toLocaleString('en')}`);
  const [left, right, high, low] = [70, wide - 20, 34, 146], w = (right - left) / lengths.length, y = n => low - (low - high) * n / top;
  for (let n = 0; n <= top * 1.001; n += Math.max(1, step)) {
    el(svg, 'line', { x1: left, x2: right, y1: y(n), y2: y(n), class: 'grid' });
    el(svg, 'text', { x: left - 8, y: y(n) + 4, 'text-anchor': 'end' }, short(n));
  }
  lengths.forEach((b, i) => {
    const bar = el(svg, 'rect', { x: left + i * w + 1, width: w - 2, y: y(b[2]), height: low - y(b[2]), class: 'amount' });
    el(bar, 'title', {}, `${span(b)} tokens: ${b[2]} texts`);
    if (w > 34 || i % 2 === 0) el(svg, 'text', { x: left + i * w + 2, y: low + 16, class: 'faint' }, b[1] === null ? `${b[0]}+` : b[0]);
  });
  el(svg, 'text', { x: (left + right) / 2, y: 184, 'text-anchor': 'middle' }, 'tokens in a text (from)');
  el(svg, 'text', { transform: 'translate(14 90) rotate(-90)', 'text-anchor': 'middle' }, 'texts');
}

export function words(report) {
  const lines = [`${report.n.toLocaleString('en')} texts, ${report.tokens.toLocaleString('en')} tokens.`];
  if (report.known !== null) {
    lines.push(`${percent(report.known)} of the running words are known to ${report.model}.`
      + (report.unknown.length ? ' The commonest that are not:' : ''));
  }
  return lines;
}

function draw(host, report) {
  node(host, 'p', { class: 'figures' }, `${report.source}: ${words(report)[0]}`);
  if (report.labels.length) {
    const more = report.labels.length - 12;
    bars(host, 'Labels', report.labels.slice(0, 12), '');
    if (more > 0) node(host, 'p', { class: 'faint' }, `and ${more} more classes`);
  } else node(host, 'p', {}, 'No labels: enough to fine-tune a language model, not to train a classifier.');
  histogram(host, report);
  if (report.known !== null) {
    node(host, 'p', { class: 'figures' }, words(report)[1]);
    const list = node(host, 'p', { class: 'unknowns' });
    for (const [word, n] of report.unknown) { node(list, 'span', { class: 'word unknown' }, clip(word, 24)); node(list, 'span', { class: 'faint' }, ` ${n}  `); }
  }
  if (report.minutes.length) {
    node(host, 'p', { class: 'figures' }, 'Expected on this machine: ' + report.minutes.map(([stage, m]) => `${stage} ${duration(m)}`).join(', ')
      + `. An estimate, from a measurement of ${Math.max(1, Math.round(report.measured))} s.`);
  }
}

function render({ model, el: host }) {
  host.classList.add('ulmfit-nb');
  const body = document.createElement('div'), status = document.createElement('p');
  status.setAttribute('role', 'status');
  const redraw = () => {
    body.replaceChildren();
    if (Object.keys(model.get('report')).length) draw(body, model.get('report'));
  };
  const say = () => {
    status.className = model.get('failed') ? 'status failed' : 'status';
    status.textContent = model.get('status');
  };
  host.replaceChildren(body, status);
  model.on('change:status change:failed', say);
  const still = keepDrawn(model, 'change:report', body, redraw);
  say();
  return () => { still(); model.off('change:status change:failed', say); };
}

export default { render };
