// The picture of a recording: its waveform, coloured by the probability of AI, and that probability as a line.

const RATE = 16_000;
const LIKELY = 0.65;

/** Samples of a recording, mono at 16 kHz; nothing where this browser cannot decode what the server can. */
export async function samples(file) {
  try {
    const context = new OfflineAudioContext(1, 1, RATE);
    const buffer = await context.decodeAudioData(await file.arrayBuffer());
    const mono = new Float32Array(buffer.length);
    for (let channel = 0; channel < buffer.numberOfChannels; channel++) {
      const one = buffer.getChannelData(channel);
      for (let i = 0; i < mono.length; i++) mono[i] += one[i] / buffer.numberOfChannels;
    }
    return mono;
  } catch {
    return undefined;
  }
}

/** The samples as a WAV file: for recordings whose container does not say how long they are, so that players cannot seek. */
export function wav(mono) {
  const view = new DataView(new ArrayBuffer(44 + 2 * mono.length));
  const word = (at, letters) => [...letters].forEach((letter, i) => view.setUint8(at + i, letter.charCodeAt(0)));
  word(0, 'RIFF');
  view.setUint32(4, 36 + 2 * mono.length, true);
  word(8, 'WAVEfmt ');
  view.setUint32(16, 16, true);
  view.setUint16(20, 1, true);
  view.setUint16(22, 1, true);
  view.setUint32(24, RATE, true);
  view.setUint32(28, 2 * RATE, true);
  view.setUint16(32, 2, true);
  view.setUint16(34, 16, true);
  word(36, 'data');
  view.setUint32(40, 2 * mono.length, true);
  mono.forEach((x, i) => view.setInt16(44 + 2 * i, Math.round(32767 * Math.max(-1, Math.min(1, x))), true));
  return new Blob([view], { type: 'audio/wav' });
}

/** Mean P(AI) of the segments over a place; nothing where none is. */
export function probabilityAt(segments, time) {
  let sum = 0;
  let count = 0;
  for (const segment of segments) {
    if (segment.start <= time && time < segment.end) {
      sum += segment.ai_probability;
      count += 1;
    }
  }
  return count ? sum / count : undefined;
}

/** The segment whose middle is nearest to a place that it covers. */
export function segmentAt(segments, time) {
  let best;
  for (const segment of segments) {
    if (time < segment.start || time > segment.end) continue;
    const off = Math.abs((segment.start + segment.end) / 2 - time);
    if (!best || off < best.off) best = { segment, off };
  }
  return best?.segment;
}

function colours() {
  const style = getComputedStyle(document.documentElement);
  return Object.fromEntries(['human-fill', 'ai-fill', 'even', 'none', 'ink', 'surface', 'muted', 'focus']
    .map((name) => [name, style.getPropertyValue(`--${name}`).trim()]));
}

const mix = (from, to, share) => {
  const at = (hex, i) => parseInt(hex.slice(1 + 2 * i, 3 + 2 * i), 16);
  return `rgb(${[0, 1, 2].map((i) => Math.round(at(from, i) + (at(to, i) - at(from, i)) * share)).join(' ')})`;
};

/** Blue below, grey at even odds, orange above: no two of them look alike to any kind of colour blindness. */
function colourOf(p, palette) {
  if (p === undefined) return palette.none;
  const share = Math.min(1, Math.abs(p - 0.5) / (LIKELY - 0.5 + 0.15));
  return mix(palette.even, p > 0.5 ? palette['ai-fill'] : palette['human-fill'], share);
}

/**
 * Draws into `canvas`. `state` has `mono` (or nothing), `seconds`, `segments`, `cursor` in seconds (or nothing) and
 * `segment`, the one to be marked (or nothing).
 */
export function draw(canvas, state) {
  const { mono, seconds, segments, cursor, segment } = state;
  const box = canvas.getBoundingClientRect();
  const scale = window.devicePixelRatio || 1;
  const width = Math.round(box.width * scale);
  const height = Math.round(box.height * scale);
  if (!width || !height) return;
  if (canvas.width !== width || canvas.height !== height) {
    canvas.width = width;
    canvas.height = height;
  }
  const palette = colours();
  const pen = canvas.getContext('2d');
  pen.clearRect(0, 0, width, height);
  const x = (time) => (time / seconds) * width;
  const pad = 8 * scale;
  const y = (p) => pad + (1 - p) * (height - 2 * pad);

  if (segment) {
    pen.globalAlpha = 0.16;
    pen.fillStyle = palette.ink;
    pen.fillRect(x(segment.start), 0, x(segment.end) - x(segment.start), height);
    pen.globalAlpha = 1;
  }
  // Where a verdict is inconclusive.
  pen.globalAlpha = 0.35;
  pen.strokeStyle = palette.muted;
  pen.lineWidth = scale;
  pen.setLineDash([2 * scale, 4 * scale]);
  for (const p of [LIKELY, 1 - LIKELY]) {
    pen.beginPath();
    pen.moveTo(0, y(p));
    pen.lineTo(width, y(p));
    pen.stroke();
  }
  pen.setLineDash([]);
  pen.globalAlpha = 1;

  const step = 3 * scale;
  const columns = Math.max(1, Math.floor(width / step));
  const peaks = peaksOf(state, columns);
  for (let column = 0; column < columns; column++) {
    const p = probabilityAt(segments, ((column + 0.5) / columns) * seconds);
    const half = Math.max(scale, peaks[column] * 0.46 * height);
    pen.fillStyle = colourOf(p, palette);
    pen.globalAlpha = mono ? 0.8 : 0.5;
    pen.fillRect(column * step, height / 2 - half, step - scale, 2 * half);
  }
  pen.globalAlpha = 1;

  // Twice: a light edge keeps the line legible over the bars.
  for (const [colour, thick] of [[palette.surface, 5], [palette.ink, 2]]) {
    pen.strokeStyle = colour;
    pen.lineWidth = thick * scale;
    pen.lineJoin = 'round';
    pen.beginPath();
    let drawn = false;
    for (let i = 0; i <= width; i += 2 * scale) {
      const p = probabilityAt(segments, Math.min((i / width) * seconds, seconds - 1e-6));
      if (p === undefined) drawn = false;
      else if (drawn) pen.lineTo(i, y(p));
      else {
        pen.moveTo(i, y(p));
        drawn = true;
      }
    }
    pen.stroke();
  }
  if (cursor !== undefined) {
    pen.fillStyle = palette.focus;
    pen.fillRect(Math.min(width - 2 * scale, x(cursor) - scale), 0, 2 * scale, height);
  }
}

/** Loudest sample of each column, the loudest of all at 1. */
function peaksOf(state, columns) {
  if (!state.mono) return new Float32Array(columns).fill(0.12);
  if (state.peaks?.length === columns) return state.peaks;
  const peaks = new Float32Array(columns);
  const each = state.mono.length / columns;
  for (let column = 0; column < columns; column++) {
    const end = Math.min(state.mono.length, Math.ceil((column + 1) * each));
    for (let i = Math.floor(column * each); i < end; i++) peaks[column] = Math.max(peaks[column], Math.abs(state.mono[i]));
  }
  const loudest = peaks.reduce((a, b) => Math.max(a, b), 1e-6);
  state.peaks = peaks.map((peak) => peak / loudest);
  return state.peaks;
}
