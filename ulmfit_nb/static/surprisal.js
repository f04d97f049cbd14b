// Each word of a text, coloured by how unexpected it was to a language model; and what the model expected in its place.
import { node, radios, tint, signed, wordRow, scaleBar, visible } from './words.js';

const TOP = 14, TOP_SAVED = 6;   // bits at which the colours are at their strongest

export function mean(xs) {
  return xs.reduce((a, b) => a + b, 0) / xs.length;
}

export function perplexity(bits) {
  return 2 ** mean(bits);
}

// Bits by which each word became more expected from one run to another; null where either does not know the word.
export function saved(before, after) {
  return before.bits.map((b, i) => before.known[i] && after.known[i] ? b - after.bits[i] : null);
}

// The words that both know, for figures that can be compared.
export function common(before, after) {
  const both = before.bits.map((_, i) => i).filter(i => before.known[i] && after.known[i]);
  return [before, after].map(run => both.map(i => run.bits[i]));
}

export function chance(bits) {
  const n = 2 ** bits;
  return n < 1.05 ? 'almost certain' : `1 in ${n < 10 ? n.toFixed(1) : Math.round(n).toLocaleString('en')}`;
}

export function summary(runs, shown) {
  if (shown < runs.length) {
    const { bits, known } = runs[shown], unknown = known.filter(k => !k).length;
    return `Perplexity ${perplexity(bits).toFixed(1)}: ${mean(bits).toFixed(2)} bits a token, over ${bits.length} tokens`
      + (unknown ? `; ${unknown} of them unknown and guessed as xxunk.` : '.');
  }
  const [a, b] = common(...runs);
  if (!a.length) return 'The two models share no word of this text.';
  return `Over the ${a.length} tokens that both models know: perplexity ${perplexity(a).toFixed(1)} to ${perplexity(b).toFixed(1)}, `
    + `${(mean(a) - mean(b)).toFixed(2)} bits a token saved.`;
}

// What colour and what words for token i.
function dress(runs, shown, i) {
  if (shown < runs.length) {
    const { bits, known } = runs[shown];
    return known[i] ? [tint(bits[i] / TOP), `${bits[i].toFixed(1)} bits, ${chance(bits[i])}`] : ['transparent', 'not in the vocabulary'];
  }
  const gain = saved(...runs)[i];
  if (gain === null) return ['transparent', 'not in both vocabularies'];
  return [signed(gain, TOP_SAVED), `${Math.abs(gain).toFixed(1)} bits ${gain < 0 ? 'less' : 'more'} expected by ${runs[1].name}`];
}

function guesses(panel, tokens, runs, i) {
  panel.replaceChildren();
  for (const run of runs) {
    const column = node(panel, 'div', { class: 'column' });
    node(column, 'div', { class: 'head' }, run.name);
    node(column, 'div', { class: 'faint' }, `“${visible(tokens[i])}”: ` + (run.known[i] ? '' : 'not in its vocabulary; as xxunk, ')
      + `${run.bits[i].toFixed(1)} bits, ${chance(run.bits[i])}`);
    const list = node(column, 'ol', { 'aria-label': `guesses of ${run.name}` });
    for (const [word, p] of run.guesses[i]) {
      const item = node(list, 'li', { class: word === tokens[i] ? 'hit' : '' });
      node(item, 'span', { class: 'guess' }, visible(word));
      node(item, 'span', { class: 'p' }, `${(100 * p).toFixed(p < 0.1 ? 1 : 0)} %`);
      node(item, 'span', { class: 'length', style: `width: ${(45 * p).toFixed(1)}%` });
    }
  }
}

function render({ model, el: host }) {
  host.classList.add('ulmfit-nb');
  const draw = () => {
    const tokens = model.get('tokens'), runs = model.get('runs');
    host.replaceChildren();
    const names = runs.map(r => r.name).concat(runs.length === 2 ? [`difference (${runs[0].name} to ${runs[1].name})`] : []);
    const choose = radios(host, 'Coloured by the surprise of', names, i => { model.set('shown', i); model.save_changes(); });
    const figures = node(host, 'p', { class: 'figures', role: 'status' });
    const panel = document.createElement('div');
    panel.className = 'panel';
    const row = wordRow(host, tokens, 'The text, word by word; the arrow keys move from word to word', i => {
      guesses(panel, tokens, runs, i);
      if (model.get('at') !== i) { model.set('at', i); model.save_changes(); }
    });
    const legend = node(host, 'div');
    host.append(panel);
    repaint = () => {
      const shown = Math.min(model.get('shown'), names.length - 1);
      choose(shown);
      figures.textContent = summary(runs, shown);
      row.spans.forEach((span, i) => {
        const [fill, words] = dress(runs, shown, i);
        span.style.background = fill;
        span.classList.toggle('unknown', fill === 'transparent');
        span.setAttribute('aria-label', `${tokens[i]}: ${words}. Guesses: `
          + runs.map(r => `${r.name}: ${r.guesses[i].map(g => g[0]).join(', ')}`).join('; '));
      });
      legend.replaceChildren();
      if (shown < runs.length) scaleBar(legend, [tint(0), tint(1)], 'expected, 0 bits', `unexpected, ${TOP} bits or more`);
      else scaleBar(legend, [signed(-1, 1), tint(0), signed(1, 1)], `${TOP_SAVED} bits less expected than before`, `${TOP_SAVED} bits more expected`);
    };
    const at = Math.min(model.get('at'), tokens.length - 1);
    row.mark(at);
    guesses(panel, tokens, runs, at);
    repaint();
  };
  let repaint = () => {};
  const again = () => repaint();
  model.on('change:tokens change:runs', draw);
  model.on('change:shown', again);
  draw();
  return () => { model.off('change:tokens change:runs', draw); model.off('change:shown', again); };
}

export default { render };
