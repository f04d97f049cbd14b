// A model in the page, asked by a widget in place of Python: fetched on a click, kept by the browser for the next time, checked against its hash. What is typed
// stays in the page.
import { languageModel } from './lm.js';
import { classifierFrom, verdict } from './classifier.js';
import { Tokenizer } from './tokenizer.js';
import { Vocab } from './vocab.js';
import { microscopeSteps, surprisalRun, write } from './answers.js';
import { node } from './words.js';

const LONGEST = { characters: 5000, tokens: 400, microscope: 1000 };   // what is read of a text
const STORE = 'ulmfit_nb', NOTHING = 'There is no word in this text. Type a few.';

// A file's bytes; `say` is told how many have come.
async function fetchBytes(address, signal, say) {
  const name = new URL(address).pathname.split('/').slice(-2).join('/');
  const parts = [];
  let answer, n = 0;
  try {
    answer = await fetch(address, { signal, cache: 'no-store' });   // what is kept is kept below, where it is checked: never a spoilt copy twice
    for (const reader = answer.body.getReader(); answer.ok;) {
      const { done, value } = await reader.read();
      if (done) break;
      parts.push(value);
      say(n += value.length);
    }
  } catch (error) {
    if (signal.aborted) throw error;
    throw new Error(`${name} did not come, or not all of it. Is there a connection? Try again; a page opened from a folder has to be served, by python -m http.server.`);
  }
  if (!answer.ok) throw new Error(`${name} is not on this site (${answer.status}): it was published only in part. Everything else on the page works without it.`);
  return new Blob(parts).arrayBuffer();
}

async function fetchJson(address, signal) {
  const buffer = await fetchBytes(address, signal, () => {});
  return parsed(buffer, address);
}

function parsed(buffer, address) {
  try {
    return JSON.parse(new TextDecoder().decode(buffer));
  } catch {
    throw new Error(`${address.split('/').at(-1).split('?')[0]} is damaged. Load the page again.`);
  }
}

async function sha256(buffer) {
  return [...new Uint8Array(await crypto.subtle.digest('SHA-256', buffer))].map(b => b.toString(16).padStart(2, '0')).join('');
}

// A file whose hash is known. What the browser has kept of it under this hash needs no fetching; what it has kept under another is let go.
async function fetchKept(address, hash, signal, say) {
  const key = `${address}?${hash.slice(0, 16)}`;
  const store = await globalThis.caches?.open(STORE).catch(() => null);   // none on a page that isn't secure, or may keep nothing
  const found = await store?.match(key), buffer = found ? await found.arrayBuffer() : await fetchBytes(key, signal, say);
  if (globalThis.crypto?.subtle && await sha256(buffer) !== hash) {
    await store?.delete(key);
    throw new Error(`${address.split('/').at(-1)} is damaged, or of another version than this page. Load the page again, and then the model.`);
  }
  if (store && !found) {
    for (const old of await store.keys()) if (old.url.startsWith(`${address}?`)) await store.delete(old);
    await store.put(key, new Response(buffer)).catch(() => {});   // the disk may be full: then it is fetched again the next time
  }
  return buffer;
}

const NETWORKS = { Microscope: null, Generation: languageModel, SurprisalView: languageModel, PoolingView: classifierFrom, ThreeStages: languageModel };

// Config, words and tokenizer; for all widgets but the microscope the network as well.
async function load(files, name, kind, signal, say) {
  const at = `${files}${name}/`, [config, tables] = await Promise.all([fetchJson(`${at}config.json`, signal), fetchJson(`${files}tokenizer.json`, signal)]);
  if (!config?.sha256) throw new Error('config.json is damaged. Load the page again.');
  const kept = file => fetchKept(at + file, config.sha256[file] ?? '', signal, say);
  const words = parsed(await kept('vocab.json'), 'vocab.json');
  const network = NETWORKS[kind] && NETWORKS[kind](config, words, await kept('model.safetensors'));
  return { name, config, network, vocab: new Vocab(words), tokenizer: new Tokenizer(tables) };
}

// A generator to its end, a few milliseconds at a time: in between the page draws, and the reader may stop it.
async function inSlices(work, signal, say) {
  for (let since = performance.now(); ;) {
    const { done, value } = work.next();
    if (done) return value;
    if (performance.now() - since < 30) continue;
    say(value);
    await new Promise(go => setTimeout(go));
    if (signal.aborted) throw signal.reason;
    since = performance.now();
  }
}

const first = (text, n) => text.length > n ? [...text].slice(0, n).join('') : text;   // characters, none cut in two

// What is said where a text was too long to be read to its end.
function saidOf(tokens, read, text) {
  if (read.length < tokens.length) return `Only the first ${LONGEST.tokens} tokens were read.`;
  return text.length > LONGEST.characters ? `Only the first ${LONGEST.characters.toLocaleString('en')} characters were read.` : '';
}

// For each widget what Python does for it: what it listens to, and what it sets.
const CONNECT = {
  Microscope({ vocab, tokenizer }, model) {
    const told = model.get('steps').map(step => step.what);
    const look = () => {
      const typed = model.get('typed'), steps = microscopeSteps(first(typed, LONGEST.microscope), vocab, tokenizer, told);
      if (typed.length > LONGEST.microscope) steps[0].what += ` Only the first ${LONGEST.microscope} characters are looked at.`;
      model.set({ steps, text: typed });
    };
    model.on('change:typed', look);
    look();
    return `Type above: the ids are those of the ${vocab.words.length.toLocaleString('en')} words that this model knows.`;
  },

  Generation({ network, vocab, tokenizer, config }, model, { run }) {
    model.on('change:asked', () => {
      const [temperature, top_k, seed, prompt] = ['temperature', 'top_k', 'asked', 'prompt'].map(k => model.get(k));
      run(write(network, vocab, tokenizer.tokens(prompt), { temperature, top_k, seed, pad: config.architecture.pad }), found => model.set({ ...found, answered: seed }));
    });
    return 'Change the prompt above and press Generate.';
  },

  SurprisalView({ name, network, vocab, tokenizer }, model, { run, say, ask }) {
    ask('Colour it', text => {
      const tokens = tokenizer.tokens(first(text, LONGEST.characters));
      if (tokens.length < 2) return say(NOTHING);
      const read = tokens.slice(0, LONGEST.tokens + 1);   // the first is not guessed
      run(surprisalRun(name, network, vocab, read), found => model.set({ tokens: read.slice(1), runs: [found], shown: 0, at: 0 }), saidOf(tokens, read, text));
    });
    return 'Type a text and have it coloured.';
  },

  ThreeStages(loaded, model, { run, say, ask }) {
    ask('Colour it', text => {
      const tokens = loaded.tokenizer.tokens(first(text, LONGEST.characters)), read = tokens.slice(0, LONGEST.tokens + 1);
      if (tokens.length < 2) return say(NOTHING);
      run(readAndWrite(loaded, read), own => model.set({ own }), saidOf(tokens, read, text));
    });
    return 'Type a sentence and have it coloured.';
  },

  PoolingView({ network, vocab, tokenizer }, model, { run, say, ask }) {
    ask('Judge it', text => {
      const tokens = tokenizer.tokens(first(text, LONGEST.characters)), read = tokens.slice(0, LONGEST.tokens);
      if (tokens.length < 2) return say(NOTHING);
      run(verdict(network, vocab, read), found => model.set({ ...found, at: 0 }), saidOf(tokens, read, text));
    });
    return `Type a sentence: is it ${network.classes.join(' or ')}?`;
  },
};

// A text's surprises, and how it would go on.
function* readAndWrite({ name, network, vocab, config }, read) {
  const found = yield* surprisalRun(name, network, vocab, read, 3);
  const { text } = yield* write(network, vocab, read, { temperature: 0.8, top_k: 40, seed: 0, pad: config.architecture.pad, n: 20 });
  return { ...found, tokens: read.slice(1), line: text };
}

// Load what a widget needs, show how far it is, and connect the two; gives what went wrong, or nothing. `model` is the widget's, `row` where the button was.
export async function start(row, { files, name, kind, model, megabytes }) {
  row.replaceChildren();
  const form = node(row, 'form'), bar = node(row, 'progress', { max: 1, 'aria-label': 'how much is done' });
  const stop = node(row, 'button', { type: 'button' }, 'Stop'), status = node(row, 'p', { role: 'status' });
  const say = text => { status.textContent = text; };
  let working = null;
  const busy = control => {
    working?.abort();
    working = control;
    bar.hidden = stop.hidden = !control;
    if (control) bar.value = 0;
  };
  stop.onclick = () => working?.abort();
  // The work at hand, told to the reader: one piece at a time, a new one ends the one before. Gives what went wrong, or nothing.
  const during = async (text, work, then) => {
    const mine = new AbortController();
    let told, fault = '';
    busy(mine);
    say(text);
    try {
      told = then(await work(mine.signal, share => { bar.value = share; }));
    } catch (error) {
      told = fault = mine.signal.aborted ? 'Stopped.' : error.message;
    }
    if (working === mine) { busy(null); say(told); }
    return fault;
  };
  const ready = `The model ${name} is in your browser now; nothing is sent anywhere. `;
  const show = () => [...row.closest('.stage').querySelectorAll('.words')].at(-1)?.scrollIntoView({ block: 'nearest' });   // on a phone the answer is above the question
  const run = (work, take, more = '') => during('Reading …', (signal, tell) => inSlices(work, signal, tell), found => { take(found); show(); return ready + more; });
  const ask = (label, answer) => {
    const area = node(form, 'textarea', { rows: 3, 'aria-label': 'a text of your own' });
    node(form, 'button', { type: 'submit' }, label);
    form.onsubmit = event => { event.preventDefault(); answer(area.value); };
  };
  const connect = async (signal, tell) => CONNECT[kind](await load(files, name, kind, signal, n => tell(n / (1e6 * megabytes))), model, { run, say, ask });
  return during('Loading …', connect, told => ready + told);
}
