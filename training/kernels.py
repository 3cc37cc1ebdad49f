"""The inner loops of training: pooling, and the step of lazy Adam, over both cores."""

from __future__ import annotations

import numba as nb
import numpy as np


@nb.njit(parallel=True, fastmath=True, cache=True)
def pool(table, scale, ids, starts, stops, use_scale, out):  # type: ignore[no-untyped-def]
    """``out[b] = sum of table[t] (times scale[t])`` over the rows t of text b."""
    d = table.shape[1]
    for b in nb.prange(starts.shape[0]):
        for k in range(d):
            out[b, k] = 0.0
        for j in range(starts[b], stops[b]):
            t = ids[j]
            s = scale[t] if use_scale else np.float32(1.0)
            for k in range(d):
                out[b, k] += s * table[t, k]


@nb.njit(cache=True)
def invert(ids, q_starts, q_stops, d_starts, d_stops, counts, firsts, texts, touched):  # type: ignore[no-untyped-def]
    """Which texts each row is in: texts of row ``touched[u]`` are ``texts[firsts[u]:firsts[u+1]]``.

    Questions are numbered from 0, answers from ``len(q_starts)``. Returns the number of rows touched.
    """
    batch = q_starts.shape[0]
    n = 0
    for b in range(batch):
        for j in range(q_starts[b], q_stops[b]):
            t = ids[j]
            if counts[t] == 0:
                touched[n] = t
                n += 1
            counts[t] += 1
        for j in range(d_starts[b], d_stops[b]):
            t = ids[j]
            if counts[t] == 0:
                touched[n] = t
                n += 1
            counts[t] += 1
    at = 0
    for u in range(n):
        firsts[u] = at
        c = counts[touched[u]]
        counts[touched[u]] = at
        at += c
    firsts[n] = at
    for b in range(batch):
        for j in range(q_starts[b], q_stops[b]):
            t = ids[j]
            texts[counts[t]] = b
            counts[t] += 1
        for j in range(d_starts[b], d_stops[b]):
            t = ids[j]
            texts[counts[t]] = batch + b
            counts[t] += 1
    for u in range(n):
        counts[touched[u]] = 0
    return n


@nb.njit(parallel=True, fastmath=True, cache=True)
def adam(table, scale, m, v, ms, vs, steps, gq, gd, texts, firsts, touched, n, lr, lr_scale, decay, start):  # type: ignore[no-untyped-def]
    """One step of Adam (Kingma & Ba, 2015) on the rows touched; each row counts its own steps.

    The decay is towards the row's start: what few texts have taught stays near it.
    """
    d = table.shape[1]
    batch = gq.shape[0]
    for u in nb.prange(n):
        t = touched[u]
        g = np.zeros(d, np.float32)
        gs = np.float32(0.0)
        s = scale[t]
        for j in range(firsts[u], firsts[u + 1]):
            b = texts[j]
            if b < batch:
                for k in range(d):
                    g[k] += s * gq[b, k]
                    gs += table[t, k] * gq[b, k]
            else:
                for k in range(d):
                    g[k] += gd[b - batch, k]
        steps[t] += 1
        c1 = np.float32(1.0 / (1.0 - 0.9 ** steps[t]))
        c2 = np.float32(1.0 / (1.0 - 0.999 ** steps[t]))
        for k in range(d):
            m[t, k] = np.float32(0.9) * m[t, k] + np.float32(0.1) * g[k]
            v[t, k] = np.float32(0.999) * v[t, k] + np.float32(0.001) * g[k] * g[k]
            table[t, k] -= lr * (
                m[t, k] * c1 / (np.sqrt(v[t, k] * c2) + np.float32(1e-8))
                + decay * (table[t, k] - start[t, k])
            )
        ms[t] = np.float32(0.9) * ms[t] + np.float32(0.1) * gs
        vs[t] = np.float32(0.999) * vs[t] + np.float32(0.001) * gs * gs
        scale[t] -= lr_scale * ms[t] * c1 / (np.sqrt(vs[t] * c2) + np.float32(1e-8))
