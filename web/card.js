// One recording on the page: from the file to its verdict, picture and evidence.

import { judge, sha256 } from './judge.js';
import { clock, language, percent, text, translate } from './texts.js';
import { draw, probabilityAt, samples, segmentAt, wav } from './waveform.js';

const JUMP = 1;
/** Traits that are shown at first: the strongest. */
const FIRST = 5;
/** P(AI) from which a stretch is clearly synthetic, as the service has it for a verdict. */
const CLEAR = 0.65;
/** Faults that may be gone when the same file is sent again. */
const PASSING = ['unauthorized', 'network', 'overloaded', 'rate_limited', 'request_timeout', 'internal'];
let playing;

export class Card {
  /** `changed` is called where the card has come to an end, `removed` where the person takes it away. */
  constructor(file, { changed, removed, retry }) {
    this.file = file;
    this.state = 'waiting';
    this.sent = 0;
    this.changed = changed;
    this.giveUp = new AbortController();
    this.element = document.getElementById('card').content.firstElementChild.cloneNode(true);
    this.part = (name) => this.element.querySelector(name);
    this.part('.name').textContent = file.name;
    this.picture = { segments: [], seconds: 1 };
    this.audio = new Audio();
    this.audio.preload = 'metadata';

    this.part('.remove').addEventListener('click', () => {
      this.drop();
      removed(this);
    });
    this.part('.retry').addEventListener('click', () => retry(this));
    this.part('.json').addEventListener('click', () => this.download());
    this.part('.report').addEventListener('click', () => this.print());
    this.part('.play').addEventListener('click', () => this.toggle());
    this.part('.more').addEventListener('click', () => {
      this.all = !this.all;
      this.updateEvidence();
    });
    this.listenToWave();
    for (const event of ['play', 'pause', 'ended']) this.audio.addEventListener(event, () => this.played());
    this.resized = new ResizeObserver(() => this.redraw());
    this.resized.observe(this.part('.wave'));
    this.update();
  }

  /** Stops all that goes on. */
  drop() {
    this.giveUp.abort();
    this.audio.pause();
    this.resized.disconnect();
    URL.revokeObjectURL(this.audio.src);
  }

  async run(key) {
    this.state = 'sending';
    this.sent = 0;
    this.update();
    try {
      const picture = samples(this.file);
      const hash = sha256(this.file);
      this.verdict = await judge(this.file, key, (share) => {
        this.sent = share;
        this.state = share < 1 ? 'sending' : 'judging';
        this.update();
      }, this.giveUp.signal);
      this.judgedAt = new Date();
      this.hash = await hash;
      this.mono = await picture;
      this.picture = {
        mono: this.mono,
        seconds: this.verdict.duration_seconds,
        segments: this.verdict.segments ?? [],
      };
      await this.load();
      this.state = 'judged';
    } catch (problem) {
      if (problem.code === 'aborted') return;
      this.problem = { code: problem.code ?? 'internal', message: problem.message };
      this.state = 'failed';
    }
    this.update();
    this.changed(this);
  }

  async load() {
    const audio = this.audio;
    const known = new Promise((resolve) => {
      audio.onloadedmetadata = resolve;
      audio.onerror = resolve;
    });
    audio.src = URL.createObjectURL(this.file);
    await known;
    if (!Number.isFinite(audio.duration) && this.mono) {
      URL.revokeObjectURL(audio.src);
      audio.src = URL.createObjectURL(wav(this.mono));
    }
  }

  get name() {
    return this.file.name;
  }

  /** `human`, `ai` or `unclear`. */
  get kind() {
    if (this.verdict.inconclusive) return 'unclear';
    return this.verdict.classification === 'AI_GENERATED' ? 'ai' : 'human';
  }

  /** The verdict in a few words, for the status line. */
  get summary() {
    if (this.state === 'failed') return `${this.name}: ${this.fault()}`;
    return `${this.name}: ${this.headline()}, ${text('scaleLabel', { percent: percent(this.verdict.ai_probability) })}`;
  }

  headline() {
    return text({ human: 'verdictHuman', ai: 'verdictAi', unclear: 'verdictUnclear' }[this.kind]);
  }

  /** Whether stretches are clearly of another class than the verdict, or of both where there is no clear one. */
  mixed() {
    const clearly = { ai: ({ ai_probability: p }) => p >= CLEAR, human: ({ ai_probability: p }) => p <= 1 - CLEAR };
    const others = Object.keys(clearly).filter((kind) => kind !== this.kind);
    return others.every((kind) => this.picture.segments.some(clearly[kind]));
  }

  fault() {
    return text(`problem_${this.problem.code}`, {}, this.problem.message);
  }

  /** The verdict with the file's name, as `voxproof detect --json` has it. */
  json() {
    return { file: this.name, sha256: this.hash, ...(this.verdict ?? { error: this.problem?.message, code: this.problem?.code }) };
  }

  /** Writes all that depends on state and language. */
  update() {
    const show = (name, shown) => { this.part(name).hidden = !shown; };
    const judged = this.state === 'judged';
    translate(this.element);
    this.element.dataset.state = this.state;
    show('.waiting', !judged && this.state !== 'failed');
    show('.failure', this.state === 'failed');
    show('.retry', this.state === 'failed' && PASSING.includes(this.problem.code));
    show('.judged', judged);
    show('.json', judged);
    show('.report', judged);
    for (const [button, name] of [['.remove', 'remove'], ['.json', 'json'], ['.report', 'report'], ['.retry', 'retry']]) {
      this.part(button).setAttribute('aria-label', `${text(name)}: ${this.name}`);
    }
    const progress = this.part('progress');
    if (this.state === 'judging') progress.removeAttribute('value');
    else progress.value = this.sent;
    progress.setAttribute('aria-label', this.name);
    this.part('.progress-text').textContent = text(this.state, { percent: percent(this.sent) });
    this.part('.meta').textContent = [judged && clock(this.verdict.duration_seconds), bytes(this.file.size)].filter(Boolean).join(' · ');
    if (this.state === 'failed') this.part('.failure').textContent = this.fault();
    if (judged) this.updateVerdict();
  }

  updateVerdict() {
    const { ai_probability: p, confidence, warnings } = this.verdict;
    this.element.dataset.class = this.kind;
    this.part('.verdict').textContent = this.headline();
    const meaning = { human: 'meaningHuman', ai: 'meaningAi', unclear: 'meaningUnclear' }[this.kind];
    this.part('.meaning').textContent = text(meaning, { percent: percent(this.kind === 'unclear' ? p : confidence) });
    this.part('.mixed').hidden = !this.mixed();
    const track = this.part('.scale-track');
    track.setAttribute('role', 'img');
    track.setAttribute('aria-label', text('scaleLabel', { percent: percent(p) }));
    this.part('.scale-mark').style.left = `${100 * p}%`;
    this.part('.warnings').replaceChildren(...warnings.map((warning) => make('li', text(`warning_${warning.code}`, {}, warning.message))));
    this.part('.wave').setAttribute('aria-label', text('wave', { name: this.name }));
    this.part('.wave').setAttribute('aria-valuemax', this.picture.seconds.toFixed(1));
    this.updateEvidence();
    this.part('.stretches tbody').replaceChildren(...this.picture.segments.map((segment) => {
      const row = make('tr');
      row.append(make('td', clock(segment.start)), make('td', clock(segment.end)), make('td', percent(segment.ai_probability)));
      return row;
    }));
    const date = new Intl.DateTimeFormat(language(), { dateStyle: 'medium', timeStyle: 'medium', numberingSystem: 'latn' });
    const facts = [['model', this.verdict.model], ['judgedAt', date.format(this.judgedAt)], ['SHA-256', this.hash]];
    this.part('.facts').replaceChildren(...facts.filter(([, value]) => value).map(([name, value]) => {
      const fact = make('div');
      fact.append(make('dt', text(name, {}, name)), make('dd', value));
      return fact;
    }));
    this.played();
  }

  updateEvidence() {
    const evidence = this.verdict.evidence ?? [];
    this.part('.evidence-part').hidden = !evidence.length;
    const start = this.verdict.evidence_baseline ?? 0;
    const most = Math.max(Math.abs(start), ...evidence.map(({ contribution }) => Math.abs(contribution)), 0.5);
    const rows = evidence.map(({ group, meaning, contribution }) => {
      const [name, why] = meaning.split(/: (.*)/s);
      return row(text(`aspect_${group}`, {}, name), text(`why_${group}`, {}, why), contribution, most, contribution > 0 ? 'ai' : 'human');
    });
    rows.push(row(text('evidenceStart'), '', start, most, 'start'));
    rows.forEach((row, index) => row.classList.toggle('minor', index >= FIRST));
    this.part('.evidence tbody').replaceChildren(...rows);
    const more = this.part('.more');
    more.hidden = rows.length <= FIRST;
    more.setAttribute('aria-expanded', String(this.all ?? false));
    more.textContent = text(this.all ? 'evidenceFewer' : 'evidenceAll', { all: rows.length });
    this.part('.evidence-part').classList.toggle('all', this.all ?? false);
  }

  /** Pointer and keys on the picture. */
  listenToWave() {
    const wave = this.part('.wave');
    const timeOf = (event) => {
      const box = wave.getBoundingClientRect();
      return Math.max(0, Math.min(1, (event.clientX - box.left) / box.width)) * this.picture.seconds;
    };
    wave.addEventListener('pointermove', (event) => {
      this.hover = timeOf(event);
      if (event.buttons & 1) this.seek(this.hover);
      this.redraw();
    });
    wave.addEventListener('pointerleave', () => {
      this.hover = undefined;
      this.redraw();
    });
    wave.addEventListener('pointerdown', (event) => this.seek(timeOf(event)));
    wave.addEventListener('keydown', (event) => {
      const to = {
        ArrowLeft: this.time - JUMP, ArrowDown: this.time - JUMP, ArrowRight: this.time + JUMP, ArrowUp: this.time + JUMP,
        PageDown: this.time - 10 * JUMP, PageUp: this.time + 10 * JUMP, Home: 0, End: this.picture.seconds,
      }[event.key];
      if (to !== undefined) this.seek(to);
      else if (event.key === ' ' || event.key === 'Enter') this.toggle();
      else return;
      event.preventDefault();
    });
  }

  get time() {
    return this.audio.currentTime || 0;
  }

  seek(time) {
    this.sought = true;
    this.audio.currentTime = Math.max(0, Math.min(this.picture.seconds, time));
    this.redraw();
  }

  toggle() {
    if (this.audio.paused) this.audio.play().catch(() => {});
    else this.audio.pause();
  }

  played() {
    const on = !this.audio.paused && !this.audio.ended;
    if (on && playing !== this) {
      playing?.audio.pause();
      playing = this;
    }
    const button = this.part('.play');
    button.setAttribute('aria-pressed', String(on));
    button.setAttribute('aria-label', text('play', { name: this.name }));
    if (on) {
      this.sought = true;
      const frame = () => {
        this.redraw();
        if (!this.audio.paused) requestAnimationFrame(frame);
      };
      frame();
    } else {
      this.redraw();
    }
  }

  redraw() {
    if (this.state !== 'judged') return;
    const { segments } = this.picture;
    const cursor = this.sought ? this.time : undefined;
    const at = this.hover ?? cursor;
    const segment = at === undefined ? undefined : segmentAt(segments, at);
    this.picture.cursor = cursor;
    this.picture.segment = segment;
    draw(this.part('.wave canvas'), this.picture);
    const said = (time) => {
      const found = segmentAt(segments, time);
      if (!found) return text('readingNone', { time: clock(time) });
      const p = percent(found.ai_probability);
      return text('reading', { from: clock(found.start), to: clock(found.end), percent: p });
    };
    this.part('.reading').textContent = at === undefined ? text('readingHint') : said(at);
    const wave = this.part('.wave');
    wave.setAttribute('aria-valuenow', this.time.toFixed(1));
    wave.setAttribute('aria-valuetext', `${clock(this.time)}. ${said(this.time)}`);
    const p = at === undefined ? undefined : probabilityAt(segments, at);
    wave.dataset.probability = p === undefined ? '' : p.toFixed(3);
  }

  download() {
    save(`${this.name}.voxproof.json`, this.json());
  }

  /** Prints this card alone. */
  print() {
    for (const other of document.querySelectorAll('.card')) other.classList.toggle('not-printed', other !== this.element);
    window.print();
    for (const other of document.querySelectorAll('.card')) other.classList.remove('not-printed');
  }
}

/** Lets the browser save `value` as a JSON file. */
export function save(name, value) {
  const link = make('a');
  link.href = URL.createObjectURL(new Blob([`${JSON.stringify(value, null, 2)}\n`], { type: 'application/json' }));
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
}

function make(tag, content) {
  const element = document.createElement(tag);
  if (content !== undefined) element.textContent = content;
  return element;
}

/** A size for people. */
function bytes(count) {
  const large = count >= 1e6;
  const format = { style: 'unit', unit: large ? 'megabyte' : 'kilobyte', maximumFractionDigits: large ? 1 : 0, numberingSystem: 'latn' };
  return new Intl.NumberFormat(language(), format).format(count / (large ? 1e6 : 1e3));
}

/** One row of the evidence: what it is, a bar from the middle, its weight. */
function row(name, why, contribution, most, kind) {
  const line = make('tr');
  const what = make('th');
  what.scope = 'row';
  const title = make('span', name);
  title.className = 'what';
  const reason = make('span', why);
  reason.className = 'why';
  what.append(title, reason);

  const svg = (tag, attributes) => {
    const element = document.createElementNS('http://www.w3.org/2000/svg', tag);
    for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
    return element;
  };
  const picture = svg('svg', { class: 'bar', viewBox: '-100 0 200 16', preserveAspectRatio: 'none', 'aria-hidden': 'true' });
  const length = Math.max(0.6, (98 * Math.abs(contribution)) / most);
  picture.append(
    svg('rect', { x: contribution > 0 ? 0 : -length, y: 2, width: length, height: 12, class: kind }),
    svg('line', { x1: 0, x2: 0, y1: -4, y2: 20, 'vector-effect': 'non-scaling-stroke' }),
  );
  const bar = make('td');
  bar.append(picture);

  const weight = make('td', `${contribution < 0 ? '−' : '+'}${Math.abs(contribution).toFixed(2)}`);
  line.append(what, bar, weight);
  return line;
}
