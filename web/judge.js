// One recording to the server, its verdict or a problem back.

/** A fault, by the service's code; `message` is the server's own sentence, in English. */
export class Problem extends Error {
  constructor(code, message) {
    super(message);
    this.code = code;
  }
}

/**
 * Judges `file`. `onProgress` hears the sent share of the bytes, 0 to 1. The promise has the detailed verdict, or fails with
 * a Problem; `signal` gives up.
 */
export function judge(file, key, onProgress, signal) {
  // Not fetch(): it does not say how much has been sent.
  const request = new XMLHttpRequest();
  return new Promise((resolve, reject) => {
    request.open('POST', '/v1/detect?detail=true');
    if (key) request.setRequestHeader('X-API-Key', key);
    request.responseType = 'text';
    request.upload.onprogress = (event) => event.lengthComputable && onProgress(event.loaded / event.total);
    request.upload.onload = () => onProgress(1);
    request.onerror = () => reject(new Problem('network', 'The server cannot be reached.'));
    request.onabort = () => reject(new Problem('aborted', 'Given up.'));
    request.onload = () => {
      let body;
      try {
        body = JSON.parse(request.responseText);
      } catch {
        reject(new Problem('internal', `The server answered ${request.status}.`));
        return;
      }
      if (request.status === 200) resolve(body);
      else reject(new Problem(body.code ?? 'internal', body.error ?? body.title ?? String(request.status)));
    };
    signal.addEventListener('abort', () => request.abort());
    // A form, whatever type the browser gives the file: the server looks at the content.
    const form = new FormData();
    form.append('audio', file, file.name);
    request.send(form);
  });
}

/** SHA-256 of a file in hexadecimal; nothing where the browser keeps hashing to secure pages. */
export async function sha256(file) {
  if (!crypto.subtle) return undefined;
  const digest = await crypto.subtle.digest('SHA-256', await file.arrayBuffer());
  return Array.from(new Uint8Array(digest), (byte) => byte.toString(16).padStart(2, '0')).join('');
}
