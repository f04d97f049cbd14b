// The three stages on one slider: one sentence coloured by how unexpected each word is, from random weights to a verdict; what the network writes, which of its
// layers learn, and how well it guesses and judges. Each checkpoint is of a record; a sentence of the reader's own is coloured by a model that is at hand.
import { node, OWN_KEYS, tint, wordRow, scaleBar, visible } from './words.js';
import { el, keepDrawn, newSvg, nice, path, widthOf } from './svg.js';

const TOP = 14;   // bits at which the colour is at its strongest
const LAYERS = ['head', 'lstm 3', 'lstm 2', 'lstm 1', 'embedding'];
const percent = x => `${(100 * x).toFixed(1)} %`;
const around = x => x >= 100 ? Math.round(x).toLocaleString('en') : x.toFixed(1);

// The guesses of a place, as the record has them: 'water 0.81  oil 0.05'.
export function guessesOf(text) {
  return text.split('  ').map(part => part.split(' ')).map(([word, p]) => [word, Number(p)]);
}

export function bitsOf(point) {
  return point.bits.split(' ').map(Number);
}

// What a stage is called, and a sentence on the checkpoint.
export function told(points, i, about) {
  const point = points[i], { stage, step } = point, last = Math.max(...points.filter(p => p.stage === stage).map(p => p.step));
  const after = `after ${step} of ${last} steps`, learns = point.awake.length === LAYERS.length ? 'all layers learn' : `${point.awake.join(' and ')} learn${point.awake.length > 1 ? '' : 's'}`;
  return {
    random: ['random weights', 'The network has read nothing: every word is as good as any other.'],
    beginning: ['stage 1 begins', `It begins to read Wikipedia: ${after}, on the ${about.articles} articles that ship.`],
    general: ['stage 1 done', `Another network of the same shape that has read far more of Wikipedia: ${about.general}, as it ships.`],
    film: ['film reviews', `The same network, which has gone on to film reviews: ${about.film}, as it ships.`],
    'stage 2': ['stage 2', `It goes on to ${about.sentences.toLocaleString('en')} sentences about films, without their labels: ${after}.`],
    'stage 3': ['stage 3', `A head is put on, which learns from ${about.labels} labels: ${step ? `${after}; ${learns}.` : 'so far it is random.'}`],
  }[stage];
}

function list(parent, guesses, token) {
  const items = node(parent, 'ol', { 'aria-label': 'what was expected' });
  for (const [word, p] of guesses) {
    const item = node(items, 'li', { class: word === token ? 'hit' : '' });
    node(item, 'span', { class: 'guess' }, visible(word));
    node(item, 'span', { class: 'p' }, p < 0.001 ? '< 0.1 %' : `${(100 * p).toFixed(p < 0.1 ? 1 : 0)} %`);
    node(item, 'span', { class: 'length', style: `width: ${(45 * p).toFixed(1)}%` });
  }
}

// A sentence, and below it what was expected in place of the word that is looked at. `paint` gives both their colours and guesses.
function sentence(parent, tokens, known, label, look) {
  let bits = [], guesses = [], at = 0;
  const panel = document.createElement('div');
  panel.className = 'panel low';
  const show = i => {
    at = i;
    panel.replaceChildren();
    node(panel, 'div', { class: 'faint' }, `“${visible(tokens[i])}”${known[i] ? '' : ', which it does not know'}: ${bits[i].toFixed(1)} bits. It expected`);
    list(panel, guesses[i], tokens[i]);
    look(i);
  };
  const row = wordRow(parent, tokens, label, i => { if (bits.length) show(i); });
  parent.append(panel);
  return (b, g, i = at) => {
    [bits, guesses] = [b, g];
    row.spans.forEach((span, j) => {
      span.style.background = known[j] ? tint(b[j] / TOP) : 'transparent';
      span.classList.toggle('unknown', !known[j]);
      span.setAttribute('aria-label', `${tokens[j]}: ${b[j].toFixed(1)} bits; expected ${g[j].map(([word]) => word).join(', ')}`);
    });
    row.mark(Math.min(i, tokens.length - 1));
    show(Math.min(i, tokens.length - 1));
  };
}

// What each layer does: learns, is frozen, or is not there; and how far it has moved in this stage.
function layers(parent, point) {
  parent.replaceChildren();
  const most = Math.max(0.1, ...Object.values(point.moved));
  for (const name of LAYERS) {
    const there = name in point.moved, on = point.awake.includes(name), row = node(parent, 'li', { class: on ? 'awake' : there ? '' : 'absent' });
    node(row, 'span', { class: 'name' }, name);
    node(row, 'span', { class: 'state' }, there ? on ? 'learns' : 'rests' : 'not yet');
    const way = node(row, 'span', { class: 'way' });
    const its = on ? `; background: var(--nb-${name.split(' ')[0]})` : '';   // a layer's own colour while it learns
    if (there) node(way, 'span', { class: 'length', style: `width: ${(100 * point.moved[name] / most).toFixed(1)}%${its}` });
    node(row, 'span', { class: 'p' }, there && point.moved[name] ? percent(point.moved[name]) : '');
  }
}

// Two frames, a place on the axis for each checkpoint: perplexity, on a scale of powers; shares of right guesses and right verdicts.
function curves(svg, points, at, wide) {
  const left = 58, right = wide - 12, frames = [[34, 140], [178, 254]], n = points.length;
  const x = i => left + (right - left) * (i + 0.5) / n, most = nice(Math.max(...points.map(p => p.perplexity)))[0];
  const floor = 10 ** Math.floor(Math.log10(Math.min(...points.map(p => p.perplexity)))), [top, bottom] = frames[0];
  const y = p => bottom - (bottom - top) * Math.log(p / floor) / Math.log(most / floor), z = s => frames[1][1] - (frames[1][1] - frames[1][0]) * s;
  svg.setAttribute('viewBox', `0 0 ${wide} 278`);
  const names = { random: '', beginning: 'stage 1 begins', general: '', film: '', 'stage 2': 'stage 2', 'stage 3': 'stage 3' };
  for (const stage of Object.keys(names)) {
    const of = points.map((p, i) => p.stage === stage ? i : -1).filter(i => i >= 0);
    if (!of.length) continue;
    const [from, to] = [x(of[0] - 0.5), x(of.at(-1) + 0.5)];
    if (of[0]) el(svg, 'line', { x1: from, x2: from, y1: 26, y2: frames[1][1], class: 'grid' });
    el(svg, 'text', { x: (from + to) / 2, y: 272, 'text-anchor': 'middle' }, to - from < 84 && stage === 'beginning' ? 'stage 1' : names[stage]);
    if (stage === 'general') el(svg, 'text', { x: to, y: 20, 'text-anchor': 'middle', class: 'faint' }, 'the two that ship');
  }
  for (let p = floor; p <= most; p *= 10) {
    el(svg, 'line', { x1: left, x2: right, y1: y(p), y2: y(p), class: 'grid' });
    el(svg, 'text', { x: left - 6, y: y(p) + 4, 'text-anchor': 'end' }, p.toLocaleString('en'));
  }
  for (const s of [0, 0.5, 1]) {
    el(svg, 'line', { x1: left, x2: right, y1: z(s), y2: z(s), class: 'grid' });
    el(svg, 'text', { x: left - 6, y: z(s) + 4, 'text-anchor': 'end' }, `${100 * s} %`);
  }
  const draw = (key, how, cls) => {
    const of = points.map((p, i) => [i, p[key]]).filter(([, v]) => v !== undefined);
    el(svg, 'path', { d: path(of.map(([i]) => x(i)), of.map(([, v]) => how(v))), class: `line ${cls}`, 'data-what': key });
    if (points[at][key] !== undefined) el(svg, 'circle', { cx: x(at), cy: how(points[at][key]), r: 5, class: cls, 'data-what': key });
  };
  el(svg, 'line', { x1: x(at), x2: x(at), y1: 26, y2: frames[1][1], class: 'axis now' });
  draw('perplexity', y, 'plan0');
  draw('guessed', z, 'plan1');
  draw('accuracy', z, 'plan2');
  el(svg, 'text', { x: left + 4, y: 134, class: 'faint' }, 'perplexity');
  el(svg, 'text', { x: left + 4, y: 166, class: 'faint' }, 'told right: verdict (dashes), next word (dots)');
}

function figures(point, about) {
  const next = `perplexity ${around(point.perplexity)}; ${percent(point.guessed)} of next words guessed`;
  if (point.accuracy === undefined) return `${next}.`;
  const error = Math.sqrt(point.accuracy * (1 - point.accuracy) / about.valid);
  return `${next}. Verdicts right: ${percent(point.accuracy)} ± ${percent(error)}. This sentence: ${percent(point.verdict)} ${about.told}.`;
}

function render({ model, el: host }) {
  host.classList.add('ulmfit-nb', 'three-stages');
  const points = model.get('points'), about = model.get('about'), at = () => Math.min(model.get('at'), points.length - 1);
  const set = (key, value) => { if (model.get(key) !== value) { model.set(key, value); model.save_changes(); } };
  host.replaceChildren();
  const stops = node(host, 'div', { class: 'stops', role: 'group', 'aria-label': 'Go to a stage' });
  const buttons = [...new Set(points.map(p => p.stage))].map(stage => {
    const last = points.findLastIndex(p => p.stage === stage), button = node(stops, 'button', { type: 'button', ...OWN_KEYS }, told(points, last, about)[0]);
    button.onclick = () => set('at', last);
    return [stage, button];
  });
  const slide = node(host, 'input', { type: 'range', min: 0, max: points.length - 1, 'aria-label': 'from random weights to a verdict', ...OWN_KEYS });
  slide.oninput = () => set('at', Number(slide.value));
  const status = node(host, 'p', { class: 'says', role: 'status' }), sheet = node(host, 'div', { class: 'sheet' });
  const read = node(sheet, 'div'), watch = node(sheet, 'div');
  const paint = sentence(read, model.get('tokens'), model.get('known'), 'A sentence, word by word; the arrow keys move from word to word', i => set('word', i));
  scaleBar(read, [tint(0), tint(1)], 'expected, 0 bits', `unexpected, ${TOP} bits or more`);
  node(read, 'div', { class: 'head' }, 'It writes');
  const written = node(read, 'p', { class: 'written' }), said = node(watch, 'p', { class: 'figures' }), picture = node(watch, 'div');
  node(watch, 'div', { class: 'head' }, 'Its layers, and how far each has moved in this stage');
  const stack = node(watch, 'ul', { class: 'layers' }), own = node(host, 'div');
  const move = () => {
    const i = at(), point = points[i], [name, text] = told(points, i, about);
    slide.value = i;
    slide.setAttribute('aria-valuetext', `${name}, step ${point.step}`);
    for (const [stage, button] of buttons) button.setAttribute('aria-pressed', stage === point.stage);
    status.textContent = text;
    paint(bitsOf(point), point.guesses.map(guessesOf), model.get('word'));
    written.textContent = point.line;
    said.textContent = figures(point, about);
    layers(stack, point);
    const svg = newSvg(`${name}, step ${point.step}: ${said.textContent}`);
    curves(svg, points, i, widthOf(picture));
    picture.replaceChildren(svg);
  };
  const yours = () => {
    const { name, tokens, known, bits, guesses, line } = model.get('own');
    own.replaceChildren();
    if (!tokens) return;
    const has = name === about.film ? ', a network that has read Wikipedia and film reviews,' : '', unsure = around(2 ** (bits.reduce((a, b) => a + b, 0) / bits.length));
    node(own, 'div', { class: 'head' }, 'Your sentence');
    node(own, 'p', { class: 'figures' }, `The stronger the colour, the less ${name}${has} expected the word. On the whole it was as unsure as among ${unsure} words: its perplexity.${known.every(Boolean) ? '' : ' What stands in a dashed frame it does not know.'} Touch a word.`);
    sentence(own, tokens, known, 'Your sentence, word by word', () => {})(bits, guesses, bits.indexOf(Math.max(...bits)));
    node(own, 'div', { class: 'head' }, 'It would go on');
    node(own, 'p', { class: 'written' }, line);
  };
  model.on('change:own', yours);
  const still = keepDrawn(model, 'change:at', picture, move);
  yours();
  return () => { still(); model.off('change:own', yours); };
}

export default { render };
