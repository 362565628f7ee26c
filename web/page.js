// The page: files and recordings in, cards out; key, language and theme.

import { Card, save } from './card.js';
import { canRecord, record } from './record.js';
import { LANGUAGES, clock, language, text, useLanguage } from './texts.js';

/** Recordings that are judged at a time: more would only wait at the server. */
const AT_ONCE = 2;

const get = (id) => document.getElementById(id);
const cards = [];
let running = 0;
let recorder;

/** Storage may be switched off: the page works without. */
function stored(storage, name, value) {
  try {
    if (value === undefined) return window[storage].getItem(name) ?? '';
    if (value === '') window[storage].removeItem(name);
    else window[storage].setItem(name, value);
  } catch { /* nothing is remembered */ }
  return value ?? '';
}

let key = stored('sessionStorage', 'key');

function add(files) {
  for (const file of files) {
    const card = new Card(file, { changed: ended, removed, retry });
    cards.push(card);
    get('cards').append(card.element);
  }
  overall();
  next();
  cards.at(-files.length)?.element.scrollIntoView({ block: 'nearest' });
}

async function next() {
  while (running < AT_ONCE) {
    const card = cards.find(({ state }) => state === 'waiting');
    if (!card) return;
    running += 1;
    card.run(key).finally(() => {
      running -= 1;
      next();
    });
  }
}

function ended(card) {
  get('status').textContent = card.summary;
  if (card.problem?.code === 'unauthorized' && card.state === 'failed') {
    keyFault(true);
    get('key').focus();
  }
  overall();
}

function retry(card) {
  card.state = 'waiting';
  card.update();
  next();
}

function removed(card) {
  cards.splice(cards.indexOf(card), 1);
  card.element.remove();
  overall();
  get('choose').focus();
}

function overall() {
  const done = cards.filter(({ state }) => state === 'judged').length;
  get('results').hidden = !cards.length;
  get('overall').textContent = text('overall', { done, all: cards.length });
  for (const id of ['json-all', 'print-all']) get(id).disabled = !done;
}

// The key.

function keyFault(shown) {
  get('key-error').hidden = !shown;
  get('key-error').textContent = shown ? text('problem_unauthorized') : '';
  get('key').setAttribute('aria-invalid', String(shown));
}

function keyShown() {
  get('key-note').textContent = key ? `${text('keySet')} ${text('keyNote')}` : text('keyNote');
  get('key-forget').hidden = !key;
}

function useKey(value) {
  key = stored('sessionStorage', 'key', value.trim());
  keyFault(false);
  keyShown();
  const refused = cards.filter((card) => card.state === 'failed' && card.problem.code === 'unauthorized');
  if (key) refused.forEach(retry);
}

get('key').value = key;
get('key-form').addEventListener('submit', (event) => {
  event.preventDefault();
  useKey(get('key').value);
});
// Pasted and not confirmed is meant all the same.
get('key').addEventListener('change', () => useKey(get('key').value));
get('key-forget').addEventListener('click', () => {
  get('key').value = '';
  useKey('');
  get('key').focus();
});

// Files.

get('choose').addEventListener('click', () => get('files').click());
get('files').addEventListener('change', (event) => {
  add([...event.target.files]);
  event.target.value = '';
});
let over = 0;
for (const [name, step] of [['dragenter', 1], ['dragleave', -1]]) {
  document.addEventListener(name, () => {
    over += step;
    get('drop').classList.toggle('over', over > 0);
  });
}
document.addEventListener('dragover', (event) => event.preventDefault());
document.addEventListener('drop', (event) => {
  event.preventDefault();
  over = 0;
  get('drop').classList.remove('over');
  add([...event.dataTransfer.files]);
});

// The microphone.

function recordFault(name) {
  get('record-error').hidden = !name;
  get('record-error').textContent = name ? text(name) : '';
  get('record-error').dataset.fault = name ?? '';
}

function recordingShown(shown) {
  get('recording').hidden = !shown;
  get('record').disabled = shown;
  (shown ? get('record-stop') : get('record')).focus();
}

async function stopRecording() {
  const blob = await recorder.stop();
  const now = new Date();
  const two = (number) => String(number).padStart(2, '0');
  const time = `${now.getFullYear()}-${two(now.getMonth() + 1)}-${two(now.getDate())} ${two(now.getHours())}.${two(now.getMinutes())}.${two(now.getSeconds())}`;
  const extension = blob.type.split('/')[1];
  recordingShown(false);
  add([new File([blob], `${text('recordingName', { time })}.${extension}`, { type: blob.type })]);
}

get('record').addEventListener('click', async () => {
  recordFault();
  if (!canRecord()) return recordFault('recordUnavailable');
  get('record').disabled = true;
  try {
    recorder = await record((seconds, level) => {
      get('recording-text').textContent = text('recording', { time: clock(seconds, 0) });
      get('level').value = level;
    }, stopRecording);
    recordingShown(true);
  } catch {
    get('record').disabled = false;
    recordFault('recordDenied');
  }
});
get('record-stop').addEventListener('click', stopRecording);
get('record-cancel').addEventListener('click', () => {
  recorder.cancel();
  recordingShown(false);
});

// All results.

get('json-all').addEventListener('click', () => save('voxproof.json', cards.filter(({ state }) => state !== 'waiting').map((card) => card.json())));
get('print-all').addEventListener('click', () => window.print());
get('clear').addEventListener('click', () => {
  for (const card of cards.splice(0)) {
    card.drop();
    card.element.remove();
  }
  overall();
  get('choose').focus();
});

// Paper is white, whatever the screen is.
let theme;
const redraw = () => cards.forEach((card) => card.redraw());
window.addEventListener('beforeprint', () => {
  document.documentElement.dataset.theme = 'light';
  redraw();
});
window.addEventListener('afterprint', () => useTheme(theme));

// Theme and language.

function useTheme(name) {
  theme = name;
  document.documentElement.dataset.theme = name;
  get('theme').setAttribute('aria-pressed', String(name === 'dark'));
  redraw();
}

const preferred = window.matchMedia('(prefers-color-scheme: dark)');
const systemTheme = () => (preferred.matches ? 'dark' : 'light');
useTheme(stored('localStorage', 'theme') || systemTheme());
preferred.addEventListener('change', () => stored('localStorage', 'theme') || useTheme(systemTheme()));
get('theme').addEventListener('click', () => useTheme(stored('localStorage', 'theme', theme === 'dark' ? 'light' : 'dark')));

function speak(code) {
  useLanguage(code);
  document.title = `voxproof · ${text('headline')}`;
  get('language').value = language();
  keyShown();
  if (!get('key-error').hidden) keyFault(true);
  if (!get('record-error').hidden) recordFault(get('record-error').dataset.fault);
  cards.forEach((card) => card.update());
  overall();
}

for (const [code, name] of Object.entries(LANGUAGES)) {
  const option = new Option(name, code);
  option.lang = code;
  get('language').append(option);
}
get('language').addEventListener('change', (event) => speak(stored('localStorage', 'language', event.target.value)));
const wanted = [stored('localStorage', 'language'), ...navigator.languages.map((tag) => tag.slice(0, 2))];
speak(wanted.find((code) => code in LANGUAGES) ?? 'en');
