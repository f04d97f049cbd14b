// A classifier in the page: the encoder of lm.js, the last, largest and mean features of a text, and a head; and what each word brought to the verdict, as
// ulmfit_nb/interpretation.py shares it out.
import { Encoder, OTHER, addProduct, matrix, numbers, readTensors } from './lm.js';

const TINY = 1e-5;   // what PyTorch's batch norm adds to a variance
const relu = x => Math.max(0, x);
const dot = (a, b) => a.reduce((sum, v, i) => sum + v * b[i], 0);

export class Classifier extends Encoder {
  constructor(tensors, { architecture, classes, hidden }) {
    super(tensors, architecture);
    const sizes = [3 * this.sizes.at(-1), ...hidden, classes.length];
    this.classes = classes;
    this.head = sizes.slice(1).map((n, i) => {   // blocks of batch norm, dropout, linear and, but for the last, ReLU
      const norm = k => numbers(tensors, `head.layers.${4 * i}.${k}`, sizes[i]), variance = norm('running_var');
      return {
        mean: norm('running_mean'), shift: norm('bias'), scale: norm('weight').map((w, j) => w / Math.sqrt(variance[j] + TINY)),
        weight: matrix(tensors, `head.layers.${4 * i + 2}.weight`, n, sizes[i]), n,
      };
    });
  }

  // What comes out of each block's linear layer, the logits last.
  outputs(pooled) {
    const found = [];
    for (const { mean, shift, scale, weight, n } of this.head) {
      const x = found.length ? found.at(-1).map(relu) : pooled;
      found.push(addProduct(weight, x.map((v, j) => (v - mean[j]) * scale[j] + shift[j]), new Float64Array(n)));
    }
    return found;
  }

  // How the margin of class k changes from `base` to `pooled`, shared out among the pooled features: times their change, it sums to that of the margin.
  slopes(pooled, base, k) {
    const [there, here] = [this.outputs(pooled), this.outputs(base)];
    let slope = Float64Array.from(this.classes, (_, j) => j === k ? 1 : -1 / (this.classes.length - 1));
    for (let i = this.head.length - 1; i >= 0; i--) {
      const { weight: { data, columns, scale: steps }, scale } = this.head[i], back = new Float64Array(columns);
      slope.forEach((s, row) => { for (let j = 0; j < columns; j++) back[j] += s * data[row * columns + j] * (steps ? steps[row] : 1); });
      slope = back.map((s, j) => s * scale[j]);
      if (i) slope = slope.map((s, j) => { const [x, b] = [there[i - 1][j], here[i - 1][j]]; return s * (x === b ? x > 0 : (relu(x) - relu(b)) / (x - b)); });
    }
    return slope;
  }
}

const margin = (logits, k) => logits[k] - (logits.reduce((a, b) => a + b, 0) - logits[k]) / (logits.length - 1);
const rounded = x => Number(x.toFixed(5));

// A verdict on a text, which words won the maximum, and what each brought: the traits of the pooling view. Yields how much of the text is read.
export function* verdict(classifier, vocab, tokens) {
  const features = [], n = tokens.length;
  let state = classifier.start();
  for (const id of vocab.ids(tokens)) {
    state = classifier.read(id, state);
    features.push(state.at(-1).h);
    yield features.length / n;
  }
  const places = [...features[0].keys()], winner = places.map(f => features.reduce((best, row, t) => row[f] > features[best][f] ? t : best, 0));
  const mean = places.map(f => features.reduce((sum, row) => sum + row[f], 0) / n);
  const pooled = Float64Array.from([...features.at(-1), ...places.map(f => features[winner[f]][f]), ...mean]);
  const base = Float64Array.from(classifier.head[0].mean), logits = classifier.outputs(pooled).at(-1), k = logits.indexOf(Math.max(...logits));
  const slopes = classifier.slopes(pooled, base, k), of = places.length, brought = slopes.map((s, j) => s * (pooled[j] - base[j]));
  const parts = features.map(row => [0, 0, dot(row.map((v, f) => v - base[2 * of + f]), slopes.slice(2 * of)) / n]), wins = Array(n).fill(0);
  winner.forEach((t, f) => { wins[t]++; parts[t][1] += brought[of + f]; });
  parts.at(-1)[0] = brought.slice(0, of).reduce((a, b) => a + b, 0);
  return {
    tokens, wins, parts: parts.map(row => row.map(rounded)), cls: classifier.classes[k], start: rounded(margin(classifier.outputs(base).at(-1), k)),
    probability: 1 / logits.reduce((sum, l) => sum + Math.exp(l - logits[k]), 0),
  };
}

// A classifier from its three files, read and parsed.
export function classifierFrom(config, words, buffer) {
  if (config?.stage !== 'classifier' || config.backwards || !Array.isArray(words) || words.length !== config.architecture?.vocab_sz) throw new Error(OTHER);
  return new Classifier(readTensors(buffer), config);
}
