// The page in a real browser, against the real server: `make test-page`.
//
// VOXPROOF is the binary (target/debug/voxproof), ORIGIN a server that runs already with the key of these tests, CHROMIUM the browser (chromium), SCREENSHOTS where pictures go.

import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { createInterface } from 'node:readline';
import { after, before, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { chromium } from 'playwright-core';

import { LANGUAGES, TEXTS } from '../../web/texts.js';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const BINARY = process.env.VOXPROOF ?? path.join(ROOT, 'target/debug/voxproof');
const PICTURES = process.env.SCREENSHOTS ?? path.join(ROOT, 'target/page-screenshots');
const AXE = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');
const KEY = 'page-test-key';
const HUMAN = path.join(ROOT, 'tests/data/human/ml_msc_u132b8d72.mp3');
const AI = path.join(ROOT, 'tests/data/ai/ta_fastpitch_indictts.mp3');
const SPOKEN = path.join(ROOT, 'tests/data/human/en_librispeech_2952.mp3');
/** A clip takes well under a second; a debug build on a busy machine does not. */
const PATIENCE = 120_000;

let server;
let origin;
let browser;
let folder;

before(async () => {
  mkdirSync(PICTURES, { recursive: true });
  folder = mkdtempSync(path.join(tmpdir(), 'voxproof-page-'));
  if (process.env.ORIGIN) origin = process.env.ORIGIN;
  else await serve();
  const wav = path.join(folder, 'microphone.wav');
  microphone(wav);
  browser = await chromium.launch({
    executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium',
    args: ['--no-sandbox', '--use-fake-device-for-media-stream', '--use-fake-ui-for-media-stream', `--use-file-for-fake-audio-capture=${wav}`,
      '--autoplay-policy=no-user-gesture-required'],
  });
});

/** Starts the server on a free port. */
async function serve() {
  const environment = { ...process.env, API_KEY: KEY, LOG_FORMAT: 'json', LOG_LEVEL: 'info' };
  server = spawn(BINARY, ['serve', '--host', '127.0.0.1', '--port', '0'], { cwd: folder, env: environment, stdio: ['ignore', 'ignore', 'pipe'] });
  origin = await new Promise((resolve, reject) => {
    server.on('error', reject);
    server.on('exit', (code) => reject(new Error(`voxproof serve ended with ${code}`)));
    const lines = createInterface({ input: server.stderr });
    lines.on('line', (line) => line.includes('"address"') && resolve(`http://${JSON.parse(line).address}`));
  });
}

after(async () => {
  await browser?.close();
  server?.removeAllListeners('exit');
  server?.kill();
  if (folder) rmSync(folder, { recursive: true });
});

/** What the fake microphone hears: speech, as a WAV file. */
function microphone(wav) {
  const done = spawnSync('ffmpeg', ['-loglevel', 'error', '-y', '-i', SPOKEN, '-ar', '48000', '-ac', '1', wav]);
  assert.equal(done.status, 0, `ffmpeg: ${done.error ?? done.stderr}`);
}

/** A fresh browser profile on the page; what it should never do is checked when the test ends. */
async function open(t, options = {}, key = KEY) {
  const context = await browser.newContext({ locale: 'en-GB', viewport: { width: 1180, height: 900 }, acceptDownloads: true, ...options });
  const page = await context.newPage();
  page.setDefaultTimeout(PATIENCE);
  const faults = [];
  page.on('pageerror', (error) => faults.push(String(error)));
  page.on('console', (message) => {
    // The browser reports every answer that is a problem; a refused script or style would be reported as well.
    if (message.type() === 'error' && !message.text().startsWith('Failed to load resource')) faults.push(message.text());
  });
  page.on('request', (request) => {
    const url = new URL(request.url());
    if (url.origin !== origin && !['blob:', 'data:'].includes(url.protocol)) faults.push(`asks ${url}`);
  });
  page.on('response', (response) => response.status() === 404 && faults.push(`404 ${response.url()}`));
  t.after(async () => {
    await context.close();
    assert.deepEqual(faults, []);
  });
  await page.goto(origin);
  if (key) {
    await page.getByLabel('API key').fill(key);
    await page.getByRole('button', { name: 'Use this key' }).click();
  }
  return page;
}

const choose = (page, ...files) => page.locator('#files').setInputFiles(files);
const card = (page, name) => page.locator('.card').filter({ hasText: name });
const judged = (page, name) => card(page, name).and(page.locator('[data-state=judged]')).waitFor();
const failed = (page, name) => card(page, name).and(page.locator('[data-state=failed]')).waitFor();
const picture = (page, name) => page.screenshot({ path: path.join(PICTURES, `${name}.png`), fullPage: true });

/** What the API says of a file, without the page: what the page must show, whatever model is embedded. */
async function answer(file) {
  const response = await fetch(`${origin}/v1/detect?detail=true`, {
    method: 'POST', headers: { 'X-API-Key': KEY, 'Content-Type': 'audio/mpeg' }, body: readFileSync(file),
  });
  assert.equal(response.status, 200);
  return response.json();
}

/** The text of the table that a verdict's headline is. */
function headline({ inconclusive, classification }) {
  if (inconclusive) return 'verdictUnclear';
  return classification === 'AI_GENERATED' ? 'verdictAi' : 'verdictHuman';
}

/** What axe-core finds that is serious or critical. */
async function accessible(page, where) {
  await page.evaluate(AXE);
  const { violations } = await page.evaluate(() => globalThis.axe.run(document, { resultTypes: ['violations'] }));
  const grave = violations.filter(({ impact }) => impact === 'serious' || impact === 'critical');
  assert.deepEqual(grave.map(({ id, nodes }) => `${id}: ${nodes.map(({ html }) => html).join(' | ')}`), [], where);
}

/** Nothing is wider than the window. */
async function fits(page) {
  const [content, window] = await page.evaluate(() => [document.documentElement.scrollWidth, innerWidth]);
  assert.ok(content <= window, `${content} px in ${window} px`);
}

test('every text is there in every language', () => {
  for (const [name, row] of Object.entries(TEXTS)) {
    assert.equal(row.length, Object.keys(LANGUAGES).length, name);
    const fields = (text) => (text.match(/\{\w+\}/g) ?? []).sort().join();
    for (const text of row) {
      assert.ok(text.trim(), name);
      assert.equal(fields(text), fields(row[0]), `${name}: ${text}`);
    }
  }
});

test('a human and a synthetic clip: verdict, picture, evidence', async (t) => {
  const page = await open(t);
  await picture(page, 'start');
  await accessible(page, 'start');
  await choose(page, HUMAN, AI);
  await judged(page, 'ml_msc');
  await judged(page, 'ta_fastpitch');
  const said = { ml_msc: await answer(HUMAN), ta_fastpitch: await answer(AI) };
  for (const [name, verdict] of Object.entries(said)) {
    assert.equal(await card(page, name).locator('.verdict').textContent(), TEXTS[headline(verdict)][0]);
  }
  assert.equal(await page.locator('#overall').textContent(), '2 of 2 judged');
  assert.match(await page.locator('#status').textContent(), /Probably/);

  const synthetic = card(page, 'ta_fastpitch');
  // All groups by a name of the page's own, and the baseline.
  const rows = synthetic.locator('.evidence tbody tr');
  const terms = said.ta_fastpitch.evidence.length + 1;
  assert.equal(await rows.count(), terms);
  assert.equal(await rows.and(page.locator(':visible')).count(), 5);
  await synthetic.getByRole('button', { name: `Show all ${terms} terms` }).click();
  assert.equal(await rows.and(page.locator(':visible')).count(), terms);
  const names = await rows.locator('.what').allTextContents();
  assert.ok(names.includes('Pitch micro-variation') && names.includes('Starting point of the model'), names.join());
  // The bars add up to the verdict.
  const weights = await rows.locator('td:last-child').allTextContents();
  const sum = weights.reduce((total, weight) => total + Number(weight.replace('−', '-')), 0);
  const shown = Number((await synthetic.locator('.scale-track').getAttribute('aria-label')).match(/(\d+)%/)[1]) / 100;
  assert.equal(shown, Math.round(100 * said.ta_fastpitch.ai_probability) / 100);
  assert.ok(Math.abs(1 / (1 + Math.exp(-sum)) - shown) < 0.02, `${sum} is not ${shown}`);
  // The picture has the waveform's colours.
  const colours = await synthetic.locator('canvas').evaluate((canvas) => {
    const { data } = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height);
    const counts = { orange: 0, blue: 0 };
    for (let i = 0; i < data.length; i += 4) {
      const [red, , blue, alpha] = data.slice(i, i + 4);
      if (alpha > 100 && red - blue > 60) counts.orange += 1;
      if (alpha > 100 && blue - red > 60) counts.blue += 1;
    }
    return counts;
  });
  const synthetics = said.ta_fastpitch.segments.filter(({ ai_probability: p }) => p > 0.65).length;
  const people = said.ta_fastpitch.segments.filter(({ ai_probability: p }) => p < 0.35).length;
  if (synthetics) assert.ok(colours.orange > 1000, JSON.stringify(colours));
  if (!people) assert.ok(colours.orange > 5 * colours.blue, JSON.stringify(colours));
  await accessible(page, 'results');
  await picture(page, 'results');
});

test('the segment under the cursor is told, by pointer, keys and playback', async (t) => {
  const page = await open(t);
  // Long enough not to end while a slow machine gets from one step to the next.
  const long = path.join(folder, 'long.mp3');
  const done = spawnSync('ffmpeg', ['-loglevel', 'error', '-y', '-stream_loop', '7', '-i', AI, '-t', '40', long]);
  assert.equal(done.status, 0, String(done.stderr));
  await choose(page, long);
  await judged(page, 'long');
  const wave = page.getByRole('slider', { name: /Place in/ });
  await wave.hover();
  assert.match(await page.locator('.reading').textContent(), /^\d+:\d\d\.\d to \d+:\d\d\.\d: \d+% AI$/);
  await picture(page, 'hover');
  await wave.focus();
  await page.keyboard.press('Home');
  await page.keyboard.press('ArrowRight');
  assert.equal(await wave.getAttribute('aria-valuenow'), '1.0');
  assert.match(await wave.getAttribute('aria-valuetext'), /^0:01\.0\. .*% AI$/);
  await page.keyboard.press('Space');
  const play = page.getByRole('button', { name: /^Play/ });
  // The player tells of its state by events, which come after the click has been handled.
  const pressed = (state) => page.waitForFunction(
    (wanted) => document.querySelector('.play').getAttribute('aria-pressed') === wanted, state);
  await pressed('true');
  await page.waitForFunction(() => Number(document.querySelector('.wave').getAttribute('aria-valuenow')) > 1.2);
  await play.click();
  await pressed('false');
  const paused = await wave.getAttribute('aria-valuenow');
  assert.ok(Number(paused) < 39, `${paused} s: it ended by itself`);
  // The same as a table, for who does not see the picture.
  await page.getByText('Stretch by stretch').click();
  const segments = await page.locator('.stretches tbody tr').count();
  assert.ok(segments > 1, `${segments} segments`);
});

test('a recording that is half a person and half synthetic shows where', async (t) => {
  const page = await open(t);
  const spliced = path.join(folder, 'spliced.wav');
  const done = spawnSync('ffmpeg', ['-loglevel', 'error', '-y', '-i', HUMAN, '-i', AI, '-filter_complex',
    '[0:a]aresample=16000[a];[1:a]aresample=16000[b];[a][b]concat=n=2:v=0:a=1', '-ac', '1', spliced]);
  assert.equal(done.status, 0, String(done.stderr));
  await choose(page, spliced);
  await judged(page, 'spliced');
  const wave = page.getByRole('slider');
  const said = async () => Number((await wave.getAttribute('aria-valuetext')).match(/(\d+)% AI$/)[1]);
  await wave.focus();
  await page.keyboard.press('Home');
  await page.keyboard.press('ArrowRight');
  const person = await said();
  await page.keyboard.press('End');
  await page.keyboard.press('ArrowLeft');
  const machine = await said();
  assert.ok(person < machine, `${person} % and ${machine} %`);
  const { segments, ...verdict } = await answer(spliced);
  const of = { verdictAi: (p) => p <= 0.35, verdictHuman: (p) => p >= 0.65 };
  const tests = headline(verdict) === 'verdictUnclear' ? Object.values(of) : [of[headline(verdict)]];
  const mixed = tests.every((other) => segments.some(({ ai_probability: p }) => other(p)));
  assert.equal(await page.locator('.mixed').isVisible(), mixed);
  await accessible(page, 'spliced');
  await picture(page, 'spliced');
});

test('no key and a wrong one are told where the key is typed, and the right one goes on', async (t) => {
  const page = await open(t, {}, 'not-the-key');
  await choose(page, HUMAN);
  await failed(page, 'ml_msc');
  assert.match(await page.locator('#key-error').textContent(), /did not accept the key/);
  assert.equal(await page.evaluate(() => document.activeElement.id), 'key');
  await accessible(page, 'wrong key');
  await picture(page, 'wrong-key');
  assert.ok(await card(page, 'ml_msc').getByRole('button', { name: /Try again/ }).isVisible());
  await page.getByLabel('API key').fill(KEY);
  await page.keyboard.press('Enter');
  await judged(page, 'ml_msc');
  assert.ok(await page.locator('#key-error').isHidden());
  // Kept for the tab: after a reload it is still there; nowhere else.
  await page.reload();
  assert.equal(await page.getByLabel('API key').inputValue(), KEY);
  assert.equal(await page.evaluate(() => JSON.stringify(localStorage)), '{}');
  await page.getByRole('button', { name: 'Forget' }).click();
  assert.equal(await page.evaluate(() => sessionStorage.getItem('key')), null);
});

test('what is no audio, silent or too short has its own sentence, and the others go on', async (t) => {
  const page = await open(t);
  const text = path.join(folder, 'letter.mp3');
  writeFileSync(text, 'Dear reader, this is no recording at all.\n'.repeat(50));
  const empty = path.join(folder, 'empty.wav');
  writeFileSync(empty, '');
  const short = path.join(folder, 'short.wav');
  const spoken = readFileSync(path.join(ROOT, 'tests/data/fixtures/wav_u8_16000_mono.wav'));
  writeFileSync(short, spoken.subarray(0, 44 + 6000));
  await choose(page, text, empty, short, HUMAN);
  for (const [name, expected] of [['letter', /not an audio file/], ['empty', /is empty/], ['short', /too little audio/]]) {
    await failed(page, name);
    assert.match(await card(page, name).locator('.failure').textContent(), expected);
  }
  await judged(page, 'ml_msc');
  // The same file would fail again.
  assert.ok(await card(page, 'letter').getByRole('button', { name: /Try again/ }).isHidden());
  assert.equal(await page.locator('#overall').textContent(), '1 of 4 judged');
  await accessible(page, 'problems');
  await picture(page, 'problems');
  await card(page, 'letter').getByRole('button', { name: /Remove/ }).click();
  assert.equal(await page.locator('.card').count(), 3);
});

test('warnings are told by their code, an unclear verdict as one', async (t) => {
  const page = await open(t);
  const narrow = path.join(ROOT, 'tests/data/fixtures/wav_mulaw_8000_mono.wav');
  const unclear = path.join(ROOT, 'tests/data/human/te_commonvoice_baa99a25.mp3');
  await choose(page, narrow, unclear);
  await judged(page, 'mulaw');
  await judged(page, 'te_commonvoice');
  const { warnings } = await answer(narrow);
  assert.ok(warnings.length > 0);
  const shown = card(page, 'mulaw').locator('.warnings li');
  assert.deepEqual(await shown.allTextContents(), warnings.map(({ code }) => TEXTS[`warning_${code}`][0]));
  assert.equal(await card(page, 'te_commonvoice').locator('.verdict').textContent(), TEXTS[headline(await answer(unclear))][0]);
  await accessible(page, 'warnings');
  await picture(page, 'warnings');
  await page.locator('#language').selectOption('te');
  assert.deepEqual(await shown.allTextContents(), warnings.map(({ code }) => TEXTS[`warning_${code}`][3]));
});

test('files are dropped onto the page, progress is shown', async (t) => {
  const page = await open(t);
  const bytes = [...readFileSync(AI)];
  const states = page.evaluate(() => new Promise((resolve) => {
    const seen = new Set();
    new MutationObserver(() => {
      for (const { dataset } of document.querySelectorAll('.card')) seen.add(dataset.state);
      if (document.querySelectorAll('.card[data-state=judged]').length === 4) resolve([...seen]);
    }).observe(document.body, { subtree: true, attributes: true, childList: true });
  }));
  await page.evaluate((bytes) => {
    const transfer = new DataTransfer();
    for (const name of ['one', 'two', 'three', 'four']) transfer.items.add(new File([new Uint8Array(bytes)], `${name}.mp3`, { type: 'audio/mpeg' }));
    document.getElementById('drop').dispatchEvent(new DragEvent('drop', { dataTransfer: transfer, bubbles: true, cancelable: true }));
  }, bytes);
  const seen = await states;
  for (const state of ['waiting', 'sending', 'judging', 'judged']) assert.ok(seen.includes(state), seen.join());
  assert.deepEqual(await page.locator('.name').allTextContents(), ['one.mp3', 'two.mp3', 'three.mp3', 'four.mp3']);
});

test('a recording from the microphone is judged and can be sought in', async (t) => {
  const page = await open(t, { permissions: ['microphone'] });
  await page.getByRole('button', { name: 'Record from the microphone' }).click();
  await page.getByText('Recording, 0:04').waitFor();
  assert.ok(Number(await page.locator('#level').evaluate((meter) => meter.value)) > 0);
  await picture(page, 'recording');
  await accessible(page, 'recording');
  await page.getByRole('button', { name: 'Stop and judge' }).click();
  await judged(page, 'Recording');
  const name = await page.locator('.name').textContent();
  assert.match(name, /^Recording \d{4}-\d\d-\d\d \d\d\.\d\d\.\d\d\.(webm|ogg)$/);
  const wave = page.getByRole('slider');
  assert.ok(Number(await wave.getAttribute('aria-valuemax')) > 3);
  await wave.focus();
  await page.keyboard.press('ArrowRight');
  await page.keyboard.press('ArrowRight');
  assert.equal(await wave.getAttribute('aria-valuenow'), '2.0');
  // A second one is thrown away.
  await page.getByRole('button', { name: 'Record from the microphone' }).click();
  await page.getByRole('button', { name: 'Discard' }).click();
  assert.ok(await page.locator('#recording').isHidden());
  assert.equal(await page.locator('.card').count(), 1);
});

test('JSON is what the API answered; the report is a PDF of the verdict', async (t) => {
  const page = await open(t);
  await choose(page, AI, HUMAN);
  await judged(page, 'ta_fastpitch');
  await judged(page, 'ml_msc');
  const [download] = await Promise.all([
    page.waitForEvent('download'),
    card(page, 'ta_fastpitch').getByRole('button', { name: /JSON/ }).click(),
  ]);
  assert.equal(download.suggestedFilename(), 'ta_fastpitch_indictts.mp3.voxproof.json');
  const json = JSON.parse(readFileSync(await download.path(), 'utf8'));
  const { file, sha256, ...verdict } = json;
  const direct = await answer(AI);
  for (const member of ['classification', 'ai_probability', 'segments', 'evidence', 'warnings', 'model']) {
    assert.deepEqual(verdict[member], direct[member], member);
  }
  assert.equal(file, 'ta_fastpitch_indictts.mp3');
  assert.match(sha256, /^[0-9a-f]{64}$/);
  const [all] = await Promise.all([page.waitForEvent('download'), page.getByRole('button', { name: 'All as JSON' }).click()]);
  assert.equal(JSON.parse(readFileSync(await all.path(), 'utf8')).length, 2);

  const pdf = path.join(PICTURES, 'report.pdf');
  await page.pdf({ path: pdf, format: 'A4' });
  assert.ok(statSync(pdf).size > 10_000);
  // One of two: the others are not on the paper.
  await page.evaluate(() => { window.print = () => { window.printed = document.querySelectorAll('.not-printed').length; }; });
  await card(page, 'ta_fastpitch').getByRole('button', { name: /Report/ }).click();
  assert.equal(await page.evaluate(() => window.printed), 1);
});

test('five languages: the page speaks them, the verdicts too', async (t) => {
  const page = await open(t);
  await choose(page, AI);
  await judged(page, 'ta_fastpitch');
  const name = headline(await answer(AI));
  for (const [index, code] of Object.keys(LANGUAGES).entries()) {
    await page.locator('#language').selectOption(code);
    assert.equal(await page.evaluate(() => document.documentElement.lang), code);
    assert.equal(await page.locator('h1').textContent(), TEXTS.headline[index]);
    assert.equal(await page.locator('.verdict').textContent(), TEXTS[name][index]);
    assert.ok((await page.locator('.what').allTextContents()).includes(TEXTS.aspect_pitch[index]));
    await accessible(page, code);
    await picture(page, `language-${code}`);
  }
  // Remembered.
  await page.reload();
  assert.equal(await page.locator('h1').textContent(), TEXTS.headline[4]);
});

test('the browser\'s language and theme are taken, and the switch turns the theme', async (t) => {
  const page = await open(t, { locale: 'ta-IN', colorScheme: 'dark' }, null);
  assert.equal(await page.locator('h1').textContent(), TEXTS.headline[2]);
  const theme = () => page.evaluate(() => document.documentElement.dataset.theme);
  assert.equal(await theme(), 'dark');
  await page.locator('#theme').click();
  assert.equal(await theme(), 'light');
  await page.reload();
  assert.equal(await theme(), 'light');
});

test('dark: readable, and the picture follows', async (t) => {
  const page = await open(t, { colorScheme: 'dark' });
  await choose(page, HUMAN, AI);
  await judged(page, 'ml_msc');
  await judged(page, 'ta_fastpitch');
  await accessible(page, 'dark');
  await picture(page, 'dark');
});

test('a phone: nothing runs over the edge', async (t) => {
  const page = await open(t, { viewport: { width: 360, height: 740 }, deviceScaleFactor: 2, hasTouch: true, isMobile: true });
  await fits(page);
  await choose(page, AI, HUMAN);
  await judged(page, 'ta_fastpitch');
  await judged(page, 'ml_msc');
  for (const code of Object.keys(LANGUAGES)) {
    await page.locator('#language').selectOption(code);
    await fits(page);
  }
  await picture(page, 'phone-ml');
  await page.locator('#language').selectOption('en');
  await accessible(page, 'phone');
  await picture(page, 'phone');
});

test('keys alone reach everything', async (t) => {
  const page = await open(t);
  await choose(page, HUMAN);
  await judged(page, 'ml_msc');
  await page.evaluate(() => document.activeElement.blur());
  const reached = new Set();
  for (let i = 0; i < 40; i++) {
    await page.keyboard.press('Tab');
    reached.add(await page.evaluate(() => document.activeElement.id || document.activeElement.className || document.activeElement.tagName));
  }
  for (const name of ['skip', 'language', 'theme', 'key', 'choose', 'record', 'json-all', 'wave', 'play secondary', 'quiet remove', 'SUMMARY']) {
    assert.ok([...reached].some((found) => found === name), `${name}: ${[...reached].join(', ')}`);
  }
});

test('a page streams: its key goes as a subprotocol, a wrong one is refused', async (t) => {
  const page = await open(t, {}, null);
  const samples = spawnSync('ffmpeg', ['-loglevel', 'error', '-i', AI, '-ar', '16000', '-ac', '1', '-t', '5', '-f', 's16le', '-'], { maxBuffer: 1 << 24 });
  assert.equal(samples.status, 0, String(samples.stderr));
  const stream = (key) => page.evaluate(([key, sound]) => new Promise((resolve) => {
    const named = btoa(key).replaceAll('+', '-').replaceAll('/', '_').replaceAll('=', '');
    const socket = new WebSocket(`ws://${location.host}/v1/stream?rate=16000`, ['voxproof', `voxproof.key.${named}`]);
    const said = [];
    socket.onopen = () => {
      const bytes = Uint8Array.from(atob(sound), (c) => c.charCodeAt(0));
      for (let at = 0; at < bytes.length; at += 32_000) socket.send(bytes.slice(at, at + 32_000));
      socket.send('end');
    };
    socket.onmessage = ({ data }) => said.push(JSON.parse(data));
    socket.onclose = ({ code }) => resolve({ code, said, protocol: socket.protocol });
  }), [key, samples.stdout.toString('base64')]);
  const { code, said, protocol } = await stream(KEY);
  assert.deepEqual([code, protocol, said.at(-1).type], [1000, 'voxproof', 'final']);
  assert.ok(said.filter(({ type }) => type === 'verdict').length >= 2, JSON.stringify(said));
  // The browser reports a refusal in its console, which is what is wanted here.
  const refused = await browser.newContext();
  t.after(() => refused.close());
  const other = await refused.newPage();
  await other.goto(origin);
  const failed = await other.evaluate(() => new Promise((resolve) => {
    const socket = new WebSocket(`ws://${location.host}/v1/stream?rate=16000`, ['voxproof', 'voxproof.key.d3Jvbmc']);
    socket.onclose = ({ code }) => resolve(code);
  }));
  assert.equal(failed, 1006);
});

test('the reference of the API: all of it, readable, on a phone and in the dark', async (t) => {
  for (const [name, options] of Object.entries({
    reference: {}, 'reference-dark': { colorScheme: 'dark' }, 'reference-phone': { viewport: { width: 360, height: 740 }, isMobile: true },
  })) {
    const page = await open(t, options, null);
    await page.goto(`${origin}/docs`);
    const spec = await (await fetch(`${origin}/openapi.json`)).json();
    const ids = Object.values(spec.paths).flatMap((methods) => Object.values(methods).map(({ operationId }) => operationId));
    await page.locator(`#schema-${Object.keys(spec.components.schemas).at(-1)}`).waitFor();
    for (const id of ids) assert.equal(await page.locator(`section#${id} h2`).count(), 1, id);
    assert.equal(await page.locator('#routes a').count(), ids.length);
    // Every link within the page leads somewhere.
    const dead = await page.evaluate(() => [...document.querySelectorAll('a[href^="#"]')].map((a) => a.hash.slice(1)).filter((id) => !document.getElementById(id)));
    assert.deepEqual(dead, []);
    const example = page.locator('#detect details').first();
    await example.locator('summary').click();
    assert.match(await example.locator('pre').textContent(), /"code": "/);
    await fits(page);
    // axe-core comes in by the tests' own hand; the page's policy lets nothing else run.
    await accessible(page, name);
    await page.screenshot({ path: path.join(PICTURES, `${name}.png`) });
    await page.locator('#detect').evaluate((section) => section.scrollIntoView());
    await page.screenshot({ path: path.join(PICTURES, `${name}-detect.png`) });
  }
});
