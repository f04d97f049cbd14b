// What Python answers to a widget, worked out in the page: the same traits, from a tokenizer, a vocabulary and a model. What takes long is a generator, which
// yields how much of it is done, so that the page can show it, stay alive and be told to stop.
import { logProbabilities } from './lm.js';
import { SPECIAL } from './vocab.js';
import { differences } from './differences.js';
import { next_words } from './generation.js';

const rounded = (x, digits) => Number(x.toFixed(digits));

// Places of the k largest values, the largest first; of equals the first first.
export function largest(values, k) {
  const best = [];
  values.forEach((v, i) => {
    if (best.length === k && !(v > values[best[k - 1]])) return;
    let at = best.length;
    while (at && v > values[best[at - 1]]) at--;
    best.splice(at, 0, i);
    best.length = Math.min(best.length, k);
  });
  return best;
}

// A text after each rule and decoded again: the steps of the microscope. `told` says what each step does, as Python told it.
export function microscopeSteps(text, vocab, tokenizer, told) {
  const rules = tokenizer.rules(text), tokens = tokenizer.words(rules.at(-1)[1]);
  const stages = [['your text', '', text], ...rules.map(([name, now], i) => [name, i ? rules[i - 1][1] : text, now])];
  stages.push(['decoding', text, vocab.decode(vocab.ids(tokens))]);
  return stages.map(([name, before, after], i) => {
    const [was, now] = i ? differences(before, after) : [[], [[after, false]]], cut = name === 'decoding' ? tokens : tokenizer.words(after);
    const ids = vocab.ids(cut), chips = cut.map((t, j) => [t, ids[j], ids[j] === vocab.unk ? 'unknown' : SPECIAL.includes(t) ? 'mark' : '']);
    const count = `${chips.length} tokens, ${chips.filter(c => c[2] === 'unknown').length} of them unknown`;
    return { name, what: told[i] ?? '', before: was, after: now, changed: !i || before !== after, tokens: chips, count };
  });
}

// How unexpected each token was, but for the first, and what was expected in its place: a run of the surprisal view.
export function* surprisalRun(name, lm, vocab, tokens, k = 5) {
  const ids = vocab.ids(tokens), bits = [], guesses = [];
  let state = lm.start();
  for (let i = 0; i + 1 < ids.length; i++) {
    state = lm.read(ids[i], state);
    const log = logProbabilities(lm.logits(state));
    bits.push(rounded(-log[ids[i + 1]] / Math.LN2, 3));
    guesses.push(largest(log, k).map(j => [vocab.words[j], Number(Math.exp(log[j]).toPrecision(3))]));
    yield (i + 1) / (ids.length - 1);
  }
  return { name, bits, known: tokens.slice(1).map(t => vocab.index.has(t)), guesses };
}

// Random numbers from 0 to 1, the same for the same seed (mulberry32).
export function randomNumbers(seed) {
  let a = seed >>> 0;
  return () => {
    a = a + 0x6d2b79f5 >>> 0;
    let t = Math.imul(a ^ a >>> 15, a | 1);
    t ^= t + Math.imul(t ^ t >>> 7, t | 61);
    return ((t ^ t >>> 14) >>> 0) / 2 ** 32;
  };
}

// Scores of the next word, the largest first, and the words' ids; unknown words, padding and fillers are left out.
export function nextLogits(lm, vocab, state, pad) {
  const logits = lm.logits(state), ids = [...logits.keys()].filter(i => i !== vocab.unk && i !== pad && i < vocab.words.length - vocab.fillers);
  ids.sort((i, j) => logits[j] - logits[i]);
  return { ids, logits: ids.map(i => logits[i]) };
}

// A text that begins as `tokens` do, and what could have come next: the traits of the generation widget.
export function* write(lm, vocab, tokens, { temperature, top_k, seed, pad, n = 40 }) {
  const ids = vocab.ids(tokens), begun = ids.length, random = randomNumbers(seed), steps = begun + n;
  let state = lm.start(), first;
  for (const [i, id] of ids.entries()) { state = lm.read(id, state); yield (i + 1) / steps; }
  while (ids.length < steps) {
    const next = nextLogits(lm, vocab, state, pad);
    first ??= next;
    let left = random();
    const place = next_words(next.logits, temperature, top_k).p.findIndex(p => (left -= p) < 0);
    ids.push(next.ids[Math.max(0, place)]);   // none: what rounding left over
    state = lm.read(ids.at(-1), state);
    yield ids.length / steps;
  }
  return { words: first.ids.slice(0, 12).map(i => vocab.words[i]), logits: first.logits.map(l => rounded(l, 2)), text: vocab.decode(ids) };
}
