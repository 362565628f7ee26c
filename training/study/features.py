"""Reference definitions of the feature sets that were tried for unseen engines; docs/research.md has what each is worth.

NumPy and SciPy only. `features(y)` takes one clip: mono, 16 kHz (soxr HQ), silence trimmed as in the dynamic set, peak
0.7 and 1e-5 of white noise added. Returns {set name: float32 vector} and log band energies, shape [frames, 60]. Sets in
`src/features/dynamic` are dyn, dynw, mod, voice and texture; in `src/features/artefact` tex2, phase2, harm, lpc (without
its last value), fastmod and envcorr; the others wait for their Rust. tests/golden/make_artefact_golden.py makes golden
values with it; nothing else that the project builds, tests or runs needs this file.
"""

import numpy as np
import scipy.fft as sfft

R = 16000


def fb(n, low, high, nb=257, nfft=512):
    f, b = np.linspace(low, high, n + 2), np.arange(nb) * R / nfft
    return np.maximum(
        0, np.minimum((b - f[:-2, None]) / (f[1:-1] - f[:-2])[:, None], (f[2:, None] - b) / (f[2:] - f[1:-1])[:, None])
    ).astype(np.float32)


FB = {3700: fb(40, 50, 3700), 7600: fb(40, 50, 7600)}
FB60 = fb(60, 0, 7700)


def dctm(n, k):
    m = np.cos(np.pi * np.arange(k)[:, None] * (np.arange(n)[None] + 0.5) / n) * np.sqrt(2 / n)
    m[0] /= np.sqrt(2)
    return m.astype(np.float32)


D40 = dctm(40, 20)
HANN = {w: np.hanning(w + 1)[:w].astype(np.float32) for w in (80, 320, 400, 640)}


def stft(y, n, w, hop):
    p = n // 2
    z = np.pad(y, p)
    T = 1 + (len(z) - n) // hop
    win = np.zeros(n, np.float32)
    o = (n - w) // 2
    win[o : o + w] = HANN[w]
    fr = np.lib.stride_tricks.sliding_window_view(z, n)[::hop][:T]
    return sfft.rfft(fr * win, axis=1).T  # [bins,T]


def delta(c):  # width 5 regression, edge padded
    p = np.pad(c, ((0, 0), (2, 2)), mode="edge")
    return (2 * (p[:, 4:] - p[:, :-4]) + (p[:, 3:-1] - p[:, 1:-3])) / 10


def mom(x):
    x = x - x.mean(-1, keepdims=True)
    q = x * x
    s2 = q.mean(-1) + 1e-12
    x = x * q
    q *= q
    return np.concatenate([np.sqrt(s2).ravel(), (x.mean(-1) / s2**1.5).ravel(), (q.mean(-1) / s2**2 - 3).ravel()])


IU = np.triu_indices(40)


def acs(c, lags):
    c = c - c.mean(1, keepdims=True)
    v = (c * c).mean(1) + 1e-9
    return np.stack([(c[:, l:] * c[:, :-l]).mean(1) / v for l in lags])


LINES = [50, 62.5, 75, 80, 86.1328, 93.75, 100, 125, 150, 160, 172.2656, 187.5, 200]


def features(y):
    o = {}
    S = stft(y, 512, 320, 160)
    P = S.real**2 + S.imag**2
    T = P.shape[1]
    L60 = np.log(FB60 @ P + 1e-8)
    for hi in (3700, 7600):
        L = np.log(FB[hi] @ P + 1e-8)
        c = D40 @ L
        m = L.mean(0)
        loud = m > np.percentile(m, 95) - 6
        if loud.sum() < 30:
            loud[:] = True
        d = delta(c)
        dd = delta(d)
        k = "" if hi == 3700 else "w"
        o["dyn" + k] = np.concatenate([mom(x[:, loud]) for x in (c, d, dd)])
        o["cov" + k] = np.cov(np.concatenate([c, d])[:, loud])[IU].astype(np.float32)
        o["covdd" + k] = np.cov(np.concatenate([d, dd])[:, loud])[IU].astype(np.float32)
        o["lag" + k] = acs(c, [1, 2, 3, 4, 6, 8, 12, 16, 24, 32]).ravel()
        if hi == 7600:  # unvoiced/quiet frames' statistics: silence texture
            q = m < np.percentile(m, 30)
            o["quiet"] = np.concatenate([mom(c[:, q]), mom(d[:, q]), (L[:, q].mean(1) - L[:, loud].mean(1))])
            cc = c - c.mean(1, keepdims=True)
            # first-difference cross products, sign asymmetry (time irreversibility)
            df = np.diff(c, axis=1)
            o["irrev"] = np.concatenate(
                [
                    (df * df * df).mean(1) / ((df**2).mean(1) ** 1.5 + 1e-9),
                    mom(np.diff(c, n=2, axis=1)),
                    np.abs(df).mean(1) / np.sqrt((df**2).mean(1) + 1e-9),
                ]
            )
    # modulation, study's 8 bands
    ed = [2, 6, 12, 20, 30, 45, 65, 90, 118]
    e = np.stack([np.log(P[a:b].sum(0) + 1e-8) for a, b in zip(ed, ed[1:])])
    e = e - e.mean(1, keepdims=True)
    h = np.hanning(T).astype(np.float32)
    pm = np.abs(sfft.rfft(e * h, max(256, T), axis=1)) ** 2
    f = np.linspace(0, 50, pm.shape[1])
    tot = pm[:, f > 1].sum(1) + 1e-12
    r_ = []
    for a, b in [(1, 3), (3, 6), (6, 12), (12, 20), (20, 35), (35, 50)]:
        r = np.log(pm[:, (f >= a) & (f < b)].sum(1) / tot + 1e-9)
        r_ += [r.mean(), r[:4].mean(), r[4:].mean(), r.std()]
    o["mod"] = np.array(r_)
    # modulation map: 20 bands (triples of 60) x 10 modulation bands
    B = L60.reshape(20, 3, -1).mean(1)
    B = B - B.mean(1, keepdims=True)
    pm = np.abs(sfft.rfft(B * h, max(256, T), axis=1)) ** 2
    f = np.linspace(0, 50, pm.shape[1])
    tot = pm[:, f > 1].sum(1) + 1e-12
    me = [1, 2, 3.5, 5, 7.5, 11, 16, 22, 30, 40, 50.1]
    o["modmap"] = np.stack([np.log(pm[:, (f >= a) & (f < b)].sum(1) / tot + 1e-9) for a, b in zip(me, me[1:])]).ravel()
    # 2-D differences: log-spectrum local texture per 8 freq regions
    LS = np.log(np.sqrt(P) + 1e-6)
    m = LS[4:200].mean(0)
    loud = m > np.percentile(m, 40)
    tx = []
    for a in range(4, 244, 30):
        x = LS[a : a + 30]
        xl = x[:, loud]
        for d in (
            np.diff(x, axis=1)[:, loud[1:]],
            np.diff(xl, axis=0),
            np.diff(np.diff(x, axis=1), axis=0)[:, loud[1:]],
            xl - xl.mean(0),
        ):
            tx.append(mom(d.ravel()))
    o["tex2"] = np.concatenate(tx)
    # harmonic/periodicity across freq per region: cepstral peak per band handled in voice. LTAS fine structure
    lt = LS[:, loud].mean(1)
    sm = np.convolve(np.pad(lt, 8, mode="edge"), np.ones(17) / 17, "valid")
    o["ltas"] = (lt - sm)[4:248]
    q = np.percentile(L60[::3], [2, 10, 25, 50, 75, 90, 98], axis=1)
    o["quant"] = ((q - q[3]))[[0, 1, 2, 4, 5, 6]].ravel()
    # sharper: voice set
    S2 = stft(y, 1024, 640, 160)
    s = np.abs(S2)
    lg = np.log(s + 1e-6)
    ceps = np.abs(sfft.irfft(lg, axis=0))[R // 400 : R // 60]
    cpp = ceps.max(0) - ceps.mean(0)
    lag = ceps.argmax(0) + R // 400
    m = lg.mean(0)
    ld = m > np.percentile(m, 60)
    fl = np.sqrt((np.diff(s / (s.sum(0) + 1e-9), axis=1) ** 2).sum(0))
    p = s**2 / ((s**2).sum(0) + 1e-12)
    en = -(p * np.log(p + 1e-12)).sum(0)
    j = np.abs(np.diff(np.log(R / lag[ld])))
    sk = lambda x: mom(x)[1]
    o["voice"] = np.array(
        [
            cpp[ld].mean(),
            cpp[ld].std(),
            sk(cpp[ld]),
            fl.mean(),
            fl.std(),
            sk(fl),
            mom(fl)[2],
            en[ld].mean(),
            en[ld].std(),
            sk(en[ld]),
            np.median(j),
            (j < 0.02).mean(),
            (j < 0.005).mean(),
            np.diff(cpp).std(),
            np.diff(en).std(),
        ]
    )
    # band-wise harmonicity: cepstral peak at the frame's lag within 4 bands; strengths mean/std/skew/delta
    hn = []
    F0 = lag
    for a, b in ((4, 68), (68, 132), (132, 260), (260, 480)):
        x = lg[a:b]
        x = x - x.mean(0)
        X = np.abs(sfft.rfft(x * np.hanning(b - a).astype(np.float32)[:, None], 1024, axis=0))
        kk = np.clip(np.round(lag * 1.0).astype(int), 0, 512)  # bin spacing 15.6Hz; quefrency index = lag*1024/1024
        z = X[kk, np.arange(len(kk))] / np.sqrt((X**2).mean(0) + 1e-9)
        z = np.log(z + 1e-3)
        hn += [*mom(z[ld]), z[ld].mean(), np.diff(z).std()]
    o["harm"] = np.array(hn)
    # texture (study)
    S3 = stft(y, 512, 400, 160)
    lo = np.log(np.abs(S3) + 1e-6)
    ph = np.angle(S3).astype(np.float32)
    ad = np.diff(ph, axis=1) - (2 * np.pi * 160 * np.arange(257) / 512)[:, None].astype(np.float32)
    ad = ad - 2 * np.pi * np.round(ad / (2 * np.pi))
    t = []
    for x in (lo[8:128], lo[128:240]):
        for d in (np.diff(x, axis=1), np.diff(x, axis=0)):
            t += list(mom(d.ravel()))
        t.append((x - x.mean(1, keepdims=True)).std())
    for a, b in ((4, 32), (32, 64), (64, 128), (128, 200)):
        u, v = np.cos(ad[a:b]), np.sin(ad[a:b])
        t += [np.abs(ad[a:b]).mean(), np.hypot(u.mean(1), v.mean(1)).mean(), np.hypot(u.mean(0), v.mean(0)).mean()]
    o["texture"] = np.array(t)
    # group delay / phase second differences per region
    gd = np.diff(ph, axis=0)
    gd = gd - 2 * np.pi * np.round(gd / (2 * np.pi))
    mix = np.diff(ad, axis=0)
    mix -= 2 * np.pi * np.round(mix / (2 * np.pi))
    w = P / (P.sum(0) + 1e-9)
    acc = np.diff(ad, axis=1)
    acc -= 2 * np.pi * np.round(acc / (2 * np.pi))
    g = []
    l3 = lo[4:200].mean(0)
    l3 = l3 > np.percentile(l3, 40)
    for a in range(4, 244, 30):
        for z in (gd[a : a + 30][:, l3], mix[a : a + 30][:, l3[1:]], acc[a : a + 30][:, l3[2:]]):
            u, v = np.cos(z), np.sin(z)
            g += [
                np.hypot(u.mean(), v.mean()),
                np.hypot((2 * u * u - 1).mean(), 2 * (u * v).mean()),
                np.hypot(u.mean(0), v.mean(0)).mean(),
                np.hypot(u.mean(1), v.mean(1)).mean(),
            ]
    o["phase2"] = np.array(g)
    # fast envelopes: 128-FFT, 5 ms window, hop 32 (500 Hz)
    S4 = stft(y, 128, 80, 32)
    P4 = S4.real**2 + S4.imag**2
    E = np.stack([np.log(P4[a:b].sum(0) + 1e-7) for a, b in ((1, 8), (8, 16), (16, 28), (28, 40), (40, 60))])
    Ed = E - E.mean(1, keepdims=True)
    n = E.shape[1]
    X = np.abs(sfft.rfft(Ed * np.hanning(n), axis=1)) ** 2
    f = np.arange(X.shape[1]) * 500 / n
    tot = X[:, f > 10].sum(1) + 1e-12
    fe = [10, 20, 32, 45, 60, 80, 105, 135, 170, 210, 250]
    o["fastmod"] = np.stack([np.log(X[:, (f >= a) & (f < b)].sum(1) / tot + 1e-9) for a, b in zip(fe, fe[1:])]).ravel()
    C = np.corrcoef(E)
    Cd = np.corrcoef(np.diff(E, axis=1))
    iu = np.triu_indices(5, 1)
    o["envcorr"] = np.concatenate([C[iu], Cd[iu], mom(np.diff(E, axis=1)), mom(Ed)])
    ln = []
    lx = np.log(X + 1e-9)
    for q_ in LINES:
        i = int(round(q_ * n / 500))
        wd = max(3, int(4 * n / 500))
        seg = lx[:, max(0, i - wd) : i + wd + 1]
        (
            ln.append(lx[:, max(0, i - 1) : i + 2].max(1) - np.median(seg, axis=1))
            if seg.shape[1] > 2
            else ln.append(np.zeros(5))
        )
    o["lines"] = np.concatenate(ln)
    # LPC residual (whole-clip frames of 20 ms, order 16) stats
    fr = np.lib.stride_tricks.sliding_window_view(y, 400)[::200]
    e_ = (fr * fr).mean(1)
    fr = fr[e_ > np.percentile(e_, 40)]
    w4 = np.hanning(400).astype(np.float32)
    Y = sfft.rfft(fr * w4, 1024, axis=1)
    ac = sfft.irfft(Y.real**2 + Y.imag**2, axis=1)[:, :17].astype(np.float64)
    ac[:, 0] *= 1.0001
    ac[:, 0] += 1e-9
    a = np.zeros((len(fr), 17))
    a[:, 0] = 1
    err = ac[:, 0].copy()
    ks = []
    for i in range(1, 17):
        k = -(a[:, :i] * ac[:, i:0:-1]).sum(1) / err
        an = a.copy()
        an[:, 1 : i + 1] += k[:, None] * a[:, i - 1 :: -1][:, :i]
        a = an
        err = err * (1 - k * k) + 1e-12
        ks.append(k)
    ks = np.arctanh(np.clip(np.stack(ks), -0.9999, 0.9999))
    A = sfft.rfft(a.astype(np.float32), 1024, axis=1)
    res = sfft.irfft(Y * A, axis=1)[:, 16:384]
    rs = res / np.sqrt((res**2).mean(1, keepdims=True) + 1e-12)
    r2 = rs * rs
    ku = np.log((r2 * r2).mean(1))
    skw = (r2 * rs).mean(1)
    pk = np.log(np.abs(rs).max(1))
    gain = np.log(ac[:, 0] / err)
    rx = np.abs(sfft.rfft(rs, 1024, axis=1)) ** 2
    rac = sfft.irfft(rx, axis=1)[:, :400]
    pr = rac[:, 40:267].max(1) / rac[:, 0]
    flat = np.log(rx[:, 20:480] + 1e-9).mean(1) - np.log(rx[:, 20:480].mean(1))
    st = [
        np.concatenate([mom(v), [v.mean(), np.diff(v).std(), np.corrcoef(v[1:], v[:-1])[0, 1]]])
        for v in (ku, skw, pk, gain, pr, flat)
    ]
    o["lpc"] = np.concatenate(st + [mom(np.diff(ks, axis=1)), np.sign(skw.mean()) * np.zeros(1)])
    o["chan"] = np.array([0.0])
    return {k: np.nan_to_num(np.asarray(v, np.float32)) for k, v in o.items()}, L60.T.astype(np.float16)
