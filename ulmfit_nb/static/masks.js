// Dropout masks: the five of AWD-LSTM at once, and for comparison one that is new at every step.
import { el, keepDrawn, newSvg, widthOf } from './svg.js';

// Random 32-bit integers from a seed (the generator mulberry32), so that a draw gives the same picture everywhere.
export function random_ints(seed, n) {
  let state = seed | 0;
  return Array.from({ length: n }, () => {
    state = (state + 0x6D2B79F5) | 0;
    let t = Math.imul(state ^ (state >>> 15), state | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return (t ^ (t >>> 14)) >>> 0;
  });
}

// 0 with chance p, else 1 / (1 - p): chapter 05's `dropout_mask`, 15 random bits against a line, with a seed of its own.
// A larger p drops what a smaller one dropped, and more.
export function dropout_mask(seed, rows, cols, p) {
  const line = Math.min(Math.round(p * 32768), 32767), scale = 32768 / (32768 - line), drawn = random_ints(seed, rows * cols);
  return Array.from({ length: rows }, (_, i) => drawn.slice(i * cols, (i + 1) * cols).map(r => (r >>> 17) >= line ? scale : 0));
}

export const PLACES = ['embed_p', 'input_p', 'hidden_p', 'output_p', 'weight_p'];

export function multiply(probabilities, drop_mult) {
  return Object.fromEntries(PLACES.map(name => [name, probabilities[name] * drop_mult]));
}

// All masks of one training pass over `steps` tokens. Features stand in rows, time runs along the columns.
export function all_masks({ draw, drop_mult, probabilities, ids, n_words, features, steps }) {
  const p = multiply(probabilities, drop_mult), seed = place => 8 * draw + place;
  const locked = (place, name) => dropout_mask(seed(place), features, 1, p[name]).map(([m]) => Array(steps).fill(m));
  const words = dropout_mask(seed(0), n_words, 1, p.embed_p);
  return {
    words: ids.map(id => words[id][0]),
    ordinary: dropout_mask(seed(1), features, steps, p.input_p),
    input: locked(2, 'input_p'), hidden: locked(3, 'hidden_p'), output: locked(4, 'output_p'),
    weights: dropout_mask(seed(5), 4 * features, features, p.weight_p),
  };
}

// How many rows of a mask have no zero at all.
export function intact(mask) {
  return mask.filter(row => row.every(Boolean)).length;
}

const blend = (a, b, u) => `rgb(${a.map((v, i) => Math.round(v + (b[i] - v) * u))})`;
const [GREY, BLUE, ORANGE] = [[196, 196, 196], [20, 90, 165], [205, 95, 0]];

// Blue below zero, grey at zero, orange above; full colour at 1.5 times the largest number.
function colour(value, largest) {
  const u = Math.min(1, Math.abs(value) / (1.5 * largest));
  return blend(GREY, value < 0 ? BLUE : ORANGE, u);
}

// Numbers times their mask as a grid of w by h cells; what is dropped stays empty, rows without a gap get a bar at the right.
function grid(svg, numbers, mask, { x, y, w, h, key, bars = true }) {
  const largest = Math.max(...numbers.flat().map(Math.abs)), group = el(svg, 'g', { 'data-mask': key });
  numbers.forEach((row, i) => {
    row.forEach((value, j) => {
      const at = { x: x + w * j, y: y + h * i };
      if (mask[i][j]) el(group, 'rect', { x: at.x + 0.5, y: at.y + 0.5, width: w - 1, height: h - 1, fill: colour(value * mask[i][j], largest), class: 'kept' });
      else el(group, 'circle', { cx: at.x + w / 2, cy: at.y + h / 2, r: 0.9, class: 'gone' });
    });
    if (bars && mask[i].every(Boolean)) el(group, 'rect', { x: x + w * row.length + 3, y: y + h * i + 1, width: 5, height: h - 2, class: 'intact' });
  });
  el(svg, 'rect', { x, y, width: w * numbers[0].length, height: h * numbers.length, class: 'frame' });
}

function head(svg, x, y, title, below) {
  el(svg, 'text', { x, y, class: 'strong' }, title);
  el(svg, 'text', { x, y: y + 16, class: 'faint' }, below);
}

const percent = p => `${Number((100 * p).toFixed(1))} %`;

// Below a width of 700 all grids stand one under the other. Each gives where the next may begin.
function draw_features(svg, { inputs, masks, p, wide }) {
  const steps = inputs[0].length, n = inputs.length, narrow = wide < 700, across = narrow ? wide - 44 : 312, w = across / steps, h = 12, below = narrow ? 76 + h * n : 0;
  const grids = [['ordinary', 'Ordinary: drawn anew at each token', 30, 0], ['input', 'Locked: drawn once (what AWD-LSTM does)', narrow ? 30 : 404, below]];
  grids.forEach(([key, title, x, down]) => {
    head(svg, x, 14 + down, title, `input_p ${percent(p.input_p)}; whole at all ${steps} tokens: ${intact(masks[key])} of ${n}`);
    grid(svg, inputs, masks[key], { x, y: 38 + down, w, h, key });
    el(svg, 'text', { x: x + across / 2, y: 38 + down + h * n + 16, 'text-anchor': 'middle', class: 'faint' }, `time (the first ${steps} tokens)`);
  });
  el(svg, 'text', { transform: `translate(20 ${38 + h * n / 2}) rotate(-90)`, 'text-anchor': 'middle', class: 'faint' }, 'feature');
  return 240 + below;
}

function draw_others(svg, { hidden, output, weights, masks, p, wide }, top) {
  const narrow = wide < 700, across = narrow ? wide - 44 : 168, h = 9, n = hidden.length, dropped = masks.weights.flat().filter(m => !m).length;
  [['hidden', hidden, 'Between LSTMs, locked', 'hidden_p', 30], ['output', output, 'Before the decoder', 'output_p', narrow ? 30 : 230]].forEach(([key, numbers, title, name, x], i) => {
    if (narrow && i) top += 70 + h * n;
    head(svg, x, top, title, `${name} ${percent(p[name])}, whole ${intact(masks[key])} of ${n}`);
    grid(svg, numbers, masks[key], { x, y: top + 26, w: across / numbers[0].length, h, key });
    el(svg, 'text', { x: x + across / 2, y: top + 42 + h * n, 'text-anchor': 'middle', class: 'faint' }, 'time');
  });
  if (narrow) top += 70 + h * n;
  const turned = m => m[0].map((_, j) => m.map(row => row[j])), x = narrow ? 30 : 434, gate = narrow ? (wide - 44) / 4 : 72;
  head(svg, x, top, 'Recurrent weights, state to state', `weight_p ${percent(p.weight_p)}; dropped: ${dropped} of ${4 * n * n}`);
  grid(svg, turned(weights), turned(masks.weights), { x, y: top + 26, w: gate / n, h, key: 'weights', bars: false });
  for (let k = 1; k < 4; k++) el(svg, 'line', { x1: x + gate * k, x2: x + gate * k, y1: top + 26, y2: top + 26 + h * n, class: 'axis' });
  ['input', 'forget', 'cell', 'output'].forEach((name, k) => el(svg, 'text', { x: x + gate * (k + 0.5), y: top + 42 + h * n, 'text-anchor': 'middle', class: 'faint' }, `${name} gate`));
  return top + 52 + h * n;
}

// The text with its dropped words struck out; all places of a word go together.
function draw_words(host, { words, ids, masks, p }) {
  const gone = new Set(ids.filter((_, t) => !masks.words[t]));
  const title = Object.assign(document.createElement('p'), { className: 'says' }), text = Object.assign(document.createElement('p'), { className: 'text' });
  title.append(Object.assign(document.createElement('b'), { textContent: 'Whole words:' }),
    ` embed_p ${percent(p.embed_p)}; dropped: ${gone.size} of ${words.length} words, at ${masks.words.filter(m => !m).length} of ${ids.length} places`);
  ids.forEach(id => text.append(Object.assign(document.createElement(gone.has(id) ? 's' : 'span'), { textContent: words[id] }), ' '));
  host.replaceChildren(title, text);
}

const LABEL = 'Dropout masks as grids of features by time: ordinary and locked input dropout, hidden and output dropout, and a matrix of recurrent weights';

function render({ model, el: host }) {
  const text = Object.assign(document.createElement('div'), { className: 'masks' }), picture = Object.assign(document.createElement('div'), { className: 'masks' });
  const says = Object.assign(document.createElement('p'), { className: 'says' });
  host.classList.add('ulmfit-nb', 'whole-width');
  says.setAttribute('role', 'status');
  host.replaceChildren(text, picture, says);
  const redraw = () => {
    const get = Object.fromEntries(['draw', 'drop_mult', 'probabilities', 'words', 'ids', 'inputs', 'hidden', 'output', 'weights'].map(k => [k, model.get(k)]));
    const p = multiply(get.probabilities, get.drop_mult);
    const masks = all_masks({ ...get, n_words: get.words.length, features: get.inputs.length, steps: get.inputs[0].length });
    const svg = newSvg(LABEL), what = { ...get, p, masks, wide: widthOf(picture) };
    svg.setAttribute('viewBox', `0 0 ${what.wide} ${draw_others(svg, what, draw_features(svg, what))}`);
    draw_words(text, what);
    picture.replaceChildren(svg);
    says.textContent = `Whole through all ${get.inputs[0].length} tokens: ${intact(masks.ordinary)} of ${get.inputs.length} features with ordinary dropout, `
      + `${intact(masks.input)} with locked dropout.`;
  };
  return keepDrawn(model, 'change', picture, redraw);
}

export default { render };
