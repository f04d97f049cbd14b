// How few labels? The reader labels sentences, and two heads learn from these: one sees what a frozen language model makes of a sentence, the other counts its
// words. Both are the same logistic regression, and both are measured on all other sentences.
import { node, OWN_KEYS } from './words.js';
import { el, keepDrawn, newSvg, path, widthOf } from './svg.js';

export const FEWEST = 10, MOST = 100, EVERY = 5;   // labels: for a first figure, for the last, and from one figure to the next
const C = 10;   // how much a wrong label costs beside large weights, as in ulmfit_nb/baselines.py

// Features in bytes, a row a sentence, to numbers: rows whose mean squared length is 1.
export function rowsOf(base64, n) {
  const bytes = Int8Array.from(atob(base64), c => c.charCodeAt(0)), width = bytes.length / n;
  const rows = Array.from({ length: n }, (_, i) => Array.from(bytes.subarray(i * width, (i + 1) * width)));
  const size = Math.sqrt(bytes.reduce((sum, v) => sum + v * v, 0) / n);
  return rows.map(row => row.map(v => v / size));
}

// Words of two letters or more, and pairs of them.
export function termsOf(text) {
  const words = text.toLowerCase().match(/[\p{L}\p{N}_]{2,}/gu) ?? [];
  return [...words, ...words.slice(1).map((w, i) => `${words[i]} ${w}`)];
}

// Texts as weighed words, by what is known of the first `n` of them: term → weight, each of length 1.
export function weighed(texts, n) {
  const counts = texts.map(text => { const c = new Map(); for (const t of termsOf(text)) c.set(t, (c.get(t) ?? 0) + 1); return c; });
  const df = new Map();
  for (const c of counts.slice(0, n)) for (const t of c.keys()) df.set(t, (df.get(t) ?? 0) + 1);
  return counts.map(c => {
    const row = new Map();
    for (const [t, k] of c) if (df.has(t)) row.set(t, (1 + Math.log(k)) * (1 + Math.log((1 + n) / (1 + df.get(t)))));
    const size = Math.sqrt([...row.values()].reduce((s, v) => s + v * v, 0)) || 1;
    for (const [t, v] of row) row.set(t, v / size);
    return row;
  });
}

export const products = {
  features: (a, b) => a.reduce((sum, v, i) => sum + v * b[i], 0),
  words: (a, b) => { let sum = 0; for (const [t, v] of a) sum += v * (b.get(t) ?? 0); return sum; },
};

// Gaussian elimination, with the largest pivot.
function solve(matrix, right) {
  const a = matrix.map((row, i) => [...row, right[i]]), n = a.length;
  for (let k = 0; k < n; k++) {
    const best = a.slice(k).reduce((at, row, i) => Math.abs(row[k]) > Math.abs(a[at][k]) ? k + i : at, k);
    [a[k], a[best]] = [a[best], a[k]];
    for (let i = k + 1; i < n; i++) {
      const share = a[i][k] / a[k][k];
      if (share) for (let j = k; j <= n; j++) a[i][j] -= share * a[k][j];
    }
  }
  const x = Array(n).fill(0);
  for (let i = n - 1; i >= 0; i--) x[i] = (a[i][n] - a[i].reduce((sum, v, j) => j > i && j < n ? sum + v * x[j] : sum, 0)) / a[i][i];
  return x;
}

// Logistic regression by Newton's method, in the products of the labelled rows with one another: what each label counts, and the bias, the last. There are fewer
// labels than features, and this takes as many unknowns as labels.
export function learn(kernel, labels) {
  const n = labels.length, ones = Array(n).fill(1);
  let a = Array(n).fill(0), bias = 0;
  for (let round = 0; round < 30; round++) {
    const scores = kernel.map(row => bias + row.reduce((sum, k, j) => sum + k * a[j], 0)), p = scores.map(s => 1 / (1 + Math.exp(-s)));
    const weight = p.map(q => C * Math.max(1e-6, q * (1 - q)));
    const matrix = kernel.map((row, i) => [...row.map((k, j) => i === j ? k + 1 / weight[i] : k), 1]);
    const found = solve([...matrix, [...ones, 0]], [...scores.map((s, i) => s + C * (labels[i] - p[i]) / weight[i]), 0]);
    const moved = Math.max(...found.map((v, i) => Math.abs(v - (i < n ? a[i] : bias))));
    [a, bias] = [found.slice(0, n), found[n]];
    if (moved < 1e-9) break;
  }
  return [...a, bias];
}

// Which share of the sentences that were not labelled a head tells right.
export function share(rows, product, given, told) {
  const places = given.map(([i]) => i), labels = given.map(([, label]) => label), labelled = new Set(places);
  const found = learn(places.map(i => places.map(j => product(rows[i], rows[j]))), labels), bias = found.at(-1);
  const rest = told.map((_, i) => i).filter(i => !labelled.has(i));
  const right = rest.filter(i => (places.reduce((sum, j, k) => sum + found[k] * product(rows[i], rows[j]), bias) > 0) === (told[i] === 1));
  return right.length / rest.length;
}

// Both heads on the same labels; null while these are all of one kind.
export function measured(texts, features, given, told) {
  if (new Set(given.map(([, label]) => label)).size < 2) return null;
  const places = given.map(([i]) => i), labelled = new Set(places), order = [...places, ...[...texts.keys()].filter(i => !labelled.has(i))];
  const weights = weighed(order.map(i => texts[i]), places.length), words = [];
  order.forEach((i, k) => { words[i] = weights[k]; });
  return { labels: given.length, features: share(features, products.features, given, told), words: share(words, products.words, given, told) };
}

const HEADS = [['features', 'a head on the frozen network', 'plan0'], ['words', 'counting words', 'plan2']];
const percent = x => `${(100 * x).toFixed(1)} %`;

function curves(svg, found, wide) {
  const [left, right, top, bottom] = [48, wide - 14, 40, 230], x = n => left + (right - left) * n / MOST, y = s => bottom - (bottom - top) * (s - 0.4) / 0.6;
  svg.setAttribute('viewBox', `0 0 ${wide} 272`);
  for (const s of [0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1]) {
    el(svg, 'line', { x1: left, x2: right, y1: y(s), y2: y(s), class: 'grid' });
    el(svg, 'text', { x: left - 6, y: y(s) + 4, 'text-anchor': 'end' }, `${Math.round(100 * s)} %`);
  }
  for (let n = 0; n <= MOST; n += 20) el(svg, 'text', { x: x(n), y: bottom + 18, 'text-anchor': 'middle' }, n);
  el(svg, 'text', { x: (left + right) / 2, y: 266, 'text-anchor': 'middle' }, 'labels');
  HEADS.forEach(([key, name, cls], i) => {
    el(svg, 'path', { d: `M${left},${10 + 18 * i}h26`, class: `line ${cls}` });
    el(svg, 'text', { x: left + 34, y: 14 + 18 * i }, name);
    el(svg, 'path', { d: path(found.map(f => x(f.labels)), found.map(f => y(Math.max(0.4, f[key])))), class: `line ${cls}`, 'data-what': key });
    for (const f of found) el(svg, 'circle', { cx: x(f.labels), cy: y(Math.max(0.4, f[key])), r: 3.5, class: cls });
  });
}

function summary(found, given, told, n) {
  const right = given.filter(([i, label]) => told[i] === label).length, yours = `${given.length} labels, ${right} of them as the data have them. `;
  const last = found.at(-1);
  if (!last) return given.length < FEWEST ? `${given.length} of ${FEWEST} labels for a first figure.` : `${yours}A head needs labels of both kinds.`;
  const error = s => Math.sqrt(s * (1 - s) / (n - last.labels));
  return `${yours}With ${last.labels} of them, right of the other ${n - last.labels}: `
    + `${HEADS.map(([key, name]) => `${name} ${percent(last[key])} ± ${percent(error(last[key]))}`).join(', ')}.`;
}

function render({ model, el: host }) {
  host.classList.add('ulmfit-nb', 'labelling');
  const texts = model.get('texts'), told = [...model.get('told')].map(Number), classes = model.get('classes'), features = rowsOf(model.get('features'), texts.length);
  const known = new Map();   // by what was given: the figures, which don't change
  const figure = given => { const key = JSON.stringify(given); if (!known.has(key)) known.set(key, measured(texts, features, given, told)); return known.get(key); };
  const give = more => { model.set('given', [...model.get('given'), ...more].slice(0, MOST)); model.save_changes(); };
  const next = () => { const done = new Set(model.get('given').map(([i]) => i)); return [...texts.keys()].filter(i => !done.has(i)); };
  host.replaceChildren();
  const sheet = node(host, 'div', { class: 'sheet' }), ask = node(sheet, 'div'), watch = node(sheet, 'div');
  node(ask, 'div', { class: 'head' }, 'A critic’s opinion, or the plot of a film?');
  const shown = node(ask, 'p', { class: 'written', role: 'status' }), row = node(ask, 'div', { class: 'stops' });
  const buttons = classes.map((name, label) => {
    const button = node(row, 'button', { type: 'button', ...OWN_KEYS }, name);
    button.onclick = () => give([[next()[0], label]]);
    return button;
  });
  const ten = node(row, 'button', { type: 'button', class: 'aside', ...OWN_KEYS }, 'ten more, by the data’s own labels');
  ten.onclick = () => give(next().slice(0, 10).map(i => [i, told[i]]));
  const again = node(row, 'button', { type: 'button', class: 'aside', ...OWN_KEYS }, 'begin again');
  again.onclick = () => { model.set('given', []); model.save_changes(); };
  const said = node(watch, 'p', { class: 'figures', role: 'status' }), picture = node(watch, 'div');
  const draw = () => {
    const given = model.get('given'), full = given.length >= MOST, sizes = [];
    for (let n = FEWEST; n <= given.length; n += EVERY) sizes.push(n);
    const found = sizes.map(n => figure(given.slice(0, n))).filter(Boolean);
    shown.textContent = full ? `That was the ${MOST}th label.` : texts[next()[0]];
    for (const button of [...buttons, ten]) button.disabled = full;
    said.textContent = summary(found, given, told, texts.length);
    const svg = newSvg(`Sentences told right, by the number of labels. ${said.textContent}`);
    curves(svg, found, widthOf(picture));
    picture.replaceChildren(svg);
  };
  return keepDrawn(model, 'change:given', picture, draw);
}

export default { render };
