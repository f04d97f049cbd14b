// A language model in the page: its file is read, and its network run, one token at a time. A matrix stays in the bytes of the file: whole numbers, and what
// one is worth in each row. Nothing here is faster in another form, and the page holds 8 MB in place of 32.

const KINDS = { I8: Int8Array, F32: Float32Array, I64: BigInt64Array };   // the last of counters alone
const DAMAGED = 'The file of the model is damaged, or was cut short on its way. Load it again.';
export const OTHER = 'The file of the model is of another version than this page. Load the page again; if that does not help, the two were not published together.';

// The table at the head of a safetensors file, and where the numbers begin.
function readHeader(buffer) {
  try {
    const begin = 8 + Number(new DataView(buffer).getBigUint64(0, true));
    const header = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(new Uint8Array(buffer, 8, begin - 8)));
    const entries = Object.entries(header).filter(([name]) => name !== '__metadata__').map(([name, { dtype, shape, data_offsets: [from, to] }]) =>
      ({ name, dtype, shape, n: shape.reduce((a, b) => a * b, 1), from: begin + from, to: begin + to }));
    if (Math.max(begin, ...entries.map(e => e.to)) === buffer.byteLength) return entries;
  } catch { /* whatever it is, it is no such table */ }
  throw new Error(DAMAGED);
}

// What a safetensors file holds: by name its shape and its numbers.
export function readTensors(buffer) {
  return Object.fromEntries(readHeader(buffer).map(({ name, dtype, shape, n, from, to }) => {
    const Kind = KINDS[dtype];
    if (!Kind) throw new Error(`The model's file holds numbers in ${dtype}; this page reads int8 and fp32, as save_pretrained(..., weights='int8') writes them.`);
    if (to - from !== n * Kind.BYTES_PER_ELEMENT) throw new Error(DAMAGED);
    const data = Kind === Int8Array ? new Int8Array(buffer, from, n) : new Kind(buffer.slice(from, to));   // wider numbers may not begin anywhere
    return [name, { shape, data }];
  }));
}

// A tensor that the file must hold, in this shape.
export function numbers(tensors, name, ...shape) {
  const found = tensors[name];
  if (!found || found.shape.join() !== shape.join()) throw new Error(OTHER);
  return found.data;
}

// A matrix that the file must hold; `scale` is what one is worth in each row, where it is in whole numbers.
export function matrix(tensors, name, rows, columns) {
  const data = numbers(tensors, name, rows, columns);
  return { data, columns, scale: data instanceof Int8Array ? numbers(tensors, `${name}.scale`, rows) : null };
}

// Adds to `out` each row of a matrix times a vector.
export function addProduct({ data, columns, scale }, x, out) {
  for (let row = 0, at = 0; row < out.length; row++) {
    let sum = 0;
    for (let column = 0; column < columns; column++) sum += data[at++] * x[column];
    out[row] += scale ? scale[row] * sum : sum;
  }
  return out;
}

const sigmoid = x => 1 / (1 + Math.exp(-x));

// One LSTM layer: what it holds after one more vector. The gates stand in PyTorch's order: input, forget, cell, output.
function step({ input, recurrent, bias }, x, { h, c }) {
  const gates = addProduct(recurrent, h, addProduct(input, x, bias.slice())), n = h.length;
  const after = { h: new Float32Array(n), c: new Float32Array(n) };
  for (let i = 0; i < n; i++) {
    after.c[i] = sigmoid(gates[n + i]) * c[i] + sigmoid(gates[i]) * Math.tanh(gates[2 * n + i]);
    after.h[i] = sigmoid(gates[3 * n + i]) * Math.tanh(after.c[i]);
  }
  return after;
}

// The encoder: words to features. A state is a list of { h, c }, one a layer; h of the last are the features.
export class Encoder {
  constructor(tensors, { vocab_sz, emb_sz, n_hid, n_layers, tie_weights }) {
    this.sizes = Array.from({ length: n_layers }, (_, i) => i === n_layers - 1 && tie_weights ? emb_sz : n_hid);
    this.embedding = matrix(tensors, 'encoder.embedding.emb.weight', vocab_sz, emb_sz);
    this.layers = this.sizes.map((n, i) => {
      const at = `encoder.lstms.${i}.lstm.`, [one, other] = ['ih', 'hh'].map(k => numbers(tensors, `${at}bias_${k}_l0`, 4 * n));
      return {
        input: matrix(tensors, `${at}weight_ih_l0`, 4 * n, i ? this.sizes[i - 1] : emb_sz),
        recurrent: matrix(tensors, `${at}weight_hh_l0`, 4 * n, n),
        bias: one.map((b, j) => b + other[j]),
      };
    });
  }

  // The state before a text.
  start() {
    return this.sizes.map(n => ({ h: new Float32Array(n), c: new Float32Array(n) }));
  }

  // The state after one more token; the one handed in stays as it was.
  read(id, state) {
    const { data, columns, scale } = this.embedding;
    let x = Float32Array.from(data.subarray(id * columns, (id + 1) * columns), v => scale ? v * scale[id] : v);
    return this.layers.map((layer, i) => {
      const after = step(layer, x, state[i]);
      x = after.h;
      return after;
    });
  }
}

export class LanguageModel extends Encoder {
  constructor(tensors, architecture) {
    super(tensors, architecture);
    const { vocab_sz, n_hid, tie_weights } = architecture;
    this.decoder = tie_weights ? this.embedding : matrix(tensors, 'decoder.weight', vocab_sz, n_hid);
    this.bias = numbers(tensors, 'decoder.bias', vocab_sz);
  }

  // A score for each word that may come next.
  logits(state) {
    return addProduct(this.decoder, state.at(-1).h, this.bias.slice());
  }
}

// Scores to the logarithms of probabilities, in nats.
export function logProbabilities(logits) {
  const most = logits.reduce((a, b) => Math.max(a, b)), sum = logits.reduce((a, b) => a + Math.exp(b - most), 0);
  return logits.map(l => l - most - Math.log(sum));
}

// A language model from its three files, read and parsed: what config.json and model.safetensors hold, and the words of vocab.json.
export function languageModel(config, words, buffer) {
  if (config?.stage !== 'language model' || !Array.isArray(words) || words.length !== config.architecture?.vocab_sz) throw new Error(OTHER);
  return new LanguageModel(readTensors(buffer), config.architecture);
}
