// A language model to write with: what may come next at a temperature and a top-k, and what was written.
import { el, keepDrawn, newSvg, widthOf } from './svg.js';

const CUTS = [1, 2, 5, 10, 20, 40, 100, 200, 500, 1000, 2000, 5000, 10000, 20000, 60000];   // where the slider stops

// Logits, descending, to probabilities: `p` of the words that top-k leaves, and how much of the probability it cut off.
export function next_words(logits, temperature, top_k) {
  const weights = logits.map(l => Math.exp((l - logits[0]) / temperature));
  const sum = part => part.reduce((a, b) => a + b, 0), left = sum(weights.slice(0, top_k));
  return { p: weights.slice(0, top_k).map(w => w / left), cut: 1 - left / sum(weights) };
}

// The stops of the top-k slider for so many words: the last is all of them.
export function stops(n) {
  return [...CUTS.filter(k => k < n), n];
}

const percent = x => x === 0 ? '0 %' : x < 0.001 ? '< 0.1 %' : `${(100 * x).toFixed(1)} %`;

// A word as it can be read beside a bar: a line break is seen, a long word cut.
function shown_word(word, n) {
  const text = word.replaceAll('\n', '↵');
  return text.length > n ? `${text.slice(0, n - 1)}…` : text;
}

function bars(svg, words, { p, cut }, n, wide) {
  const shown = words.slice(0, Math.min(12, p.length)), rest = p.slice(shown.length).reduce((a, b) => a + b, 0);
  const rows = shown.map((w, i) => [w, p[i], 'nextword']);
  if (p.length > shown.length) rows.push([`${(p.length - shown.length).toLocaleString('en')} more`, rest, 'nextword rest']);
  const left = Math.min(150, 0.36 * wide), width = wide - left - 70, h = 21, letters = Math.floor(left / 8);
  rows.forEach(([name, share, kind], i) => {
    el(svg, 'text', { x: left - 8, y: h * i + 15, 'text-anchor': 'end', class: kind === 'nextword' ? '' : 'faint' }, shown_word(name, letters));
    el(svg, 'rect', { x: left, y: h * i + 3, width: Math.max(1, width * share), height: h - 6, class: kind, 'data-p': share });
    el(svg, 'text', { x: left + Math.max(1, width * share) + 6, y: h * i + 15, class: 'rate' }, percent(share));
  });
  const gone = n - p.length, foot = gone ? [`top_k cuts off ${gone.toLocaleString('en')} words,`, `which had ${percent(cut)} of the probability`] : ['no word is cut off'];
  const lines = wide < 560 ? foot : [foot.join(' ')], at = wide < 560 ? 0 : left;
  lines.forEach((text, i) => el(svg, 'text', { x: at, y: h * rows.length + 20 + 17 * i, class: 'faint' }, text));
  svg.setAttribute('viewBox', `0 0 ${wide} ${h * rows.length + 11 + 17 * lines.length}`);
  svg.setAttribute('aria-label', `What may come next. ${rows.map(([name, share]) => `${name}: ${percent(share)}`).join('; ')}`);
}

function make(parent, tag, attrs = {}, text = '') {
  const node = Object.assign(document.createElement(tag), attrs);
  node.textContent = text;
  parent.append(node);
  return node;
}

function field(form, text, attrs) {
  const label = make(form, 'label', {}, ''), name = make(label, 'span', {}, text), input = make(label, 'input', attrs);
  return { name, input, said: make(label, 'output') };
}

function render({ model, el: host }) {
  host.classList.add('ulmfit-nb');
  host.replaceChildren();
  const form = make(host, 'form', { className: 'generation' });
  form.dataset.lmSuppressShortcuts = 'true';   // in JupyterLab, Enter, the arrows and single letters would be the notebook's
  form.onkeydown = event => event.stopPropagation();
  const prompt = field(form, 'prompt', { type: 'text', maxLength: 300, value: model.get('prompt') });
  const heat = field(form, 'temperature', { type: 'range', min: 0.1, max: 3, step: 0.1, value: model.get('temperature') });
  const cut = field(form, 'top_k (words to choose among)', { type: 'range', min: 0, step: 1 });
  make(form, 'button', { type: 'submit' }, 'Generate');
  const status = make(form, 'span', { className: 'faint' });
  status.setAttribute('role', 'status');
  const picture = make(host, 'div'), written = make(host, 'p', { className: 'written' });
  let waiting = null;
  const ks = () => stops(model.get('logits').length);
  const draw = () => {
    const temperature = model.get('temperature'), top_k = Math.min(model.get('top_k'), model.get('logits').length);
    const place = ks().findIndex(k => k >= top_k);
    Object.assign(cut.input, { max: ks().length - 1, value: place });
    heat.input.value = temperature;
    heat.said.textContent = Number(heat.input.value).toFixed(1);
    cut.said.textContent = top_k === model.get('logits').length ? `all ${top_k.toLocaleString('en')}` : top_k.toLocaleString('en');
    cut.input.setAttribute('aria-valuetext', cut.said.textContent);
    const svg = newSvg();
    bars(svg, model.get('words'), next_words(model.get('logits'), temperature, top_k), model.get('logits').length, widthOf(picture));
    picture.replaceChildren(svg);
    written.textContent = model.get('text');
  };
  const set = (key, value) => { model.set(key, value); model.save_changes(); };
  heat.input.oninput = () => set('temperature', Number(heat.input.value));
  cut.input.oninput = () => set('top_k', ks()[cut.input.value]);
  form.onsubmit = event => {
    event.preventDefault();
    model.set('prompt', prompt.input.value);
    set('asked', model.get('asked') + 1);
    status.textContent = 'writing …';
    clearTimeout(waiting);
    waiting = setTimeout(() => { status.textContent = 'No answer yet. Writing takes a model: run this page in JupyterLab, or load one into the page where it offers that.'; }, 5000);
  };
  const answered = () => { clearTimeout(waiting); status.textContent = ''; };
  model.on('change:answered', answered);
  const still = keepDrawn(model, 'change', picture, draw);
  return () => { still(); clearTimeout(waiting); model.off('change:answered', answered); };
}

export default { render };
