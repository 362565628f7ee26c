// The microphone -> a file.

const TYPES = ['audio/webm;codecs=opus', 'audio/ogg;codecs=opus', 'audio/mp4'];
const MOST_SECONDS = 590;

export const canRecord = () => Boolean(navigator.mediaDevices?.getUserMedia && window.MediaRecorder);

/**
 * Starts to record. `onTick` hears the seconds so far and the loudness, 0 to 1; the answer has `stop()`, which has the
 * recorded Blob, and `cancel()`; `full` is called where the longest recording that is judged is reached.
 */
export async function record(onTick, full) {
  // As it comes: what makes calls pleasant takes away what is listened for.
  const stream = await navigator.mediaDevices.getUserMedia({
    audio: { echoCancellation: false, noiseSuppression: false, autoGainControl: false },
  });
  const mimeType = TYPES.find((type) => MediaRecorder.isTypeSupported(type));
  const recorder = new MediaRecorder(stream, { mimeType, audioBitsPerSecond: 96_000 });
  const pieces = [];
  recorder.ondataavailable = (event) => event.data.size && pieces.push(event.data);

  const context = new AudioContext();
  const analyser = context.createAnalyser();
  context.createMediaStreamSource(stream).connect(analyser);
  const wave = new Float32Array(analyser.fftSize);
  const started = performance.now();
  const timer = setInterval(() => {
    analyser.getFloatTimeDomainData(wave);
    const rms = Math.sqrt(wave.reduce((sum, x) => sum + x * x, 0) / wave.length);
    const seconds = (performance.now() - started) / 1000;
    // -60 dB is nothing, 0 dB is all.
    onTick(seconds, Math.max(0, Math.min(1, 1 + Math.log10(rms + 1e-9) / 3)));
    if (seconds > MOST_SECONDS) full();
  }, 100);
  recorder.start(1000);

  const end = () => {
    clearInterval(timer);
    stream.getTracks().forEach((track) => track.stop());
    context.close();
  };
  return {
    stop: () => new Promise((resolve) => {
      recorder.onstop = () => {
        end();
        resolve(new Blob(pieces, { type: recorder.mimeType.split(';')[0] }));
      };
      recorder.stop();
    }),
    cancel: () => {
      recorder.onstop = null;
      recorder.stop();
      end();
    },
  };
}
