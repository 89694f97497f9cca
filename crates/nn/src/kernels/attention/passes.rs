//! Both passes of attention, plain or with talking heads. The formulas are in the module
//! above; the comments here name the quantities as there.

use std::mem::MaybeUninit;

use pulp::Arch;

use super::blocks::Blocks;
use super::rows::Operand;
use super::single::Single;
use super::target::Target;
use super::{Mixing, Shape, scratch};
use crate::kernels::parallel;

/// Attention of every image; all of `out` [B, Nq, C] is written. Heads talk if there is a
/// `mixing` vector (see [`Mixing`]). Panics if an operand does not fit the shape.
pub fn forward(
    arch: Arch,
    shape: Shape,
    [q, k, v]: [Operand<'_>; 3],
    mixing: Option<&[f32]>,
    out: &mut [MaybeUninit<f32>],
) {
    let Shape {
        batch,
        queries,
        keys,
        heads,
        head_dim: d,
    } = shape;
    let out = Target::new(out, queries, shape.channels());
    q.check(batch, queries, shape.channels());
    for operand in [k, v] {
        operand.check(batch, keys, shape.channels());
    }
    out.check(batch, queries, shape.channels());
    if is_single(shape, mixing) {
        parallel::for_each(batch * heads, shape.work(2), |task| {
            let (image, head) = (task / heads, task % heads);
            // SAFETY: each (image, head) is one task's, and all heads have `d` channels.
            let mut out = unsafe { out.head(image, head, d) };
            Single::new(arch, shape, [q, k, v], image, head).forward(&mut out);
        });
        return;
    }

    let blocks = Blocks::new(arch, shape, mixing);
    let (rows, scores) = (blocks.packed(blocks.rows), blocks.scores(blocks.rows));
    let mixed = if mixing.is_some() { scores } else { 0 };
    let lens = [
        blocks.transposed(),
        blocks.packed(keys),
        scores,
        mixed,
        rows,
    ];
    parallel::for_each(blocks.tasks(), shape.work(2), |task| {
        let at = blocks.task(task);
        scratch::with(lens, |[keys_t, values, s, p, o]| {
            blocks.pack_transposed(k, at, shape.scale(), keys_t);
            blocks.pack(v, at, (0, keys), 1.0, values);
            for (from, count) in blocks.iter() {
                let s = &mut s[..blocks.scores(count)];
                let o = &mut o[..blocks.packed(count)];
                blocks.dot_keys(q, at, (from, count), keys_t, s);
                if let Some(mixing) = blocks.mixing {
                    let p = &mut p[..s.len()];
                    blocks.mix(mixing.l, mixing.l_bias, s, p);
                    blocks.softmax(p);
                    blocks.mix(mixing.w, mixing.w_bias, p, s); // A in the place of S
                } else {
                    blocks.softmax(s); // A = P in the place of S
                }
                blocks.weigh(count, s, values, o);
                for (h, o) in o.chunks_exact(count * blocks.dim).enumerate() {
                    // SAFETY: the group's heads are this task's, and all have `d` channels.
                    let mut out = unsafe { out.head(at.0, at.1 + h, d) };
                    out.write(from, count, o, blocks.dim);
                }
            }
        });
    });
}

/// The gradients of q, k and v, and as the result that of `mixing` (empty if there is none),
/// from `grad`, that of [`forward`]'s result; all of the targets' columns are written.
/// Panics if an operand or a target does not fit the shape.
pub fn backward(
    arch: Arch,
    shape: Shape,
    operands: [Operand<'_>; 3],
    mixing: Option<&[f32]>,
    grad: Operand<'_>,
    targets: [Target<'_>; 3],
) -> Vec<f32> {
    let Shape {
        batch,
        queries,
        keys,
        heads,
        head_dim: d,
    } = shape;
    let tokens = [queries, keys, keys];
    for ((operand, target), tokens) in operands.iter().zip(&targets).zip(tokens) {
        operand.check(batch, tokens, shape.channels());
        target.check(batch, tokens, shape.channels());
    }
    grad.check(batch, queries, shape.channels());

    if is_single(shape, mixing) {
        parallel::for_each(batch * heads, shape.work(5), |task| {
            let (image, head) = (task / heads, task % heads);
            // SAFETY: each (image, head) is one task's, and all heads have `d` channels.
            let mut targets = targets
                .each_ref()
                .map(|target| unsafe { target.head(image, head, d) });
            let grad = grad.head(image, head, d).row(0);
            Single::new(arch, shape, operands, image, head).backward(grad, &mut targets);
        });
        return Vec::new();
    }

    let blocks = Blocks::new(arch, shape, mixing);
    let (tasks, work) = (blocks.tasks(), shape.work(5));
    if let Some(mixing) = mixing {
        parallel::sum_parts(tasks, mixing.len(), work, |task, d_mixing| {
            group_backward(blocks, task, operands, grad, &targets, d_mixing);
        })
    } else {
        parallel::for_each(tasks, work, |task| {
            group_backward(blocks, task, operands, grad, &targets, &mut []);
        });
        Vec::new()
    }
}

/// Whether there is nothing to gain from packing keys and values.
fn is_single(shape: Shape, mixing: Option<&[f32]>) -> bool {
    shape.queries == 1 && mixing.is_none()
}

/// [`backward`] for one group of heads.
fn group_backward(
    blocks: Blocks<'_>,
    task: usize,
    [q, k, v]: [Operand<'_>; 3],
    grad: Operand<'_>,
    [d_q, d_k, d_v]: &[Target<'_>; 3],
    d_mixing: &mut [f32],
) {
    let Shape {
        keys, head_dim: d, ..
    } = blocks.shape;
    let (at, scale) = (blocks.task(task), blocks.shape.scale());
    let write = |target: &Target<'_>, from: usize, count: usize, rows: &[f32]| {
        for (h, rows) in rows.chunks_exact(count * blocks.dim).enumerate() {
            // SAFETY: the group's heads are this task's, and all have `d` channels.
            let mut target = unsafe { target.head(at.0, at.1 + h, d) };
            target.write(from, count, rows, blocks.dim);
        }
    };
    let (all_t, all) = (blocks.transposed(), blocks.packed(keys));
    let (rows, scores) = (blocks.packed(blocks.rows), blocks.scores(blocks.rows));
    let mixed = if blocks.mixing.is_some() { scores } else { 0 };
    let lens = [
        all_t, all_t, all, all, all, rows, rows, rows, scores, scores, mixed, mixed,
    ];
    scratch::with(lens, |buffers| {
        let [
            keys_t,
            values_t,
            key_rows,
            dk,
            dv,
            queries,
            grads,
            dq,
            s,
            da,
            p,
            t,
        ] = buffers;
        blocks.pack_transposed(k, at, scale, keys_t);
        blocks.pack_transposed(v, at, 1.0, values_t);
        blocks.pack(k, at, (0, keys), scale, key_rows);
        dk.fill(0.0);
        dv.fill(0.0);
        for (from, count) in blocks.iter() {
            let [queries, grads, dq] =
                [&mut *queries, &mut *grads, &mut *dq].map(|x| &mut x[..blocks.packed(count)]);
            let [s, da] = [&mut *s, &mut *da].map(|x| &mut x[..blocks.scores(count)]);
            blocks.pack(q, at, (from, count), scale, queries);
            blocks.pack(grad, at, (from, count), 1.0, grads);
            blocks.dot_keys(q, at, (from, count), keys_t, s);
            let ds: &[f32] = if let Some(mixing) = blocks.mixing {
                let d_mixing = Mixing::split_mut(d_mixing, blocks.group);
                let [p, t] = [&mut *p, &mut *t].map(|x| &mut x[..blocks.scores(count)]);
                blocks.mix(mixing.l, mixing.l_bias, s, p);
                blocks.softmax(p);
                blocks.mix(mixing.w, mixing.w_bias, p, t);
                blocks.add_weighed(count, t, grads, dv);
                blocks.dot_keys(grad, at, (from, count), values_t, da);
                blocks.dots(da, p, d_mixing.w, d_mixing.w_bias);
                blocks.mix_transposed(mixing.w, da, t); // dP
                blocks.softmax_backward(p, t); // dT
                blocks.dots(t, s, d_mixing.l, &mut []);
                blocks.mix_transposed(mixing.l, t, da); // dS in the place of dA
                da
            } else {
                blocks.softmax(s); // A = P in the place of S
                blocks.add_weighed(count, s, grads, dv);
                blocks.dot_keys(grad, at, (from, count), values_t, da);
                blocks.softmax_backward(s, da); // dS in the place of dA = dP
                da
            };
            blocks.add_weighed(count, ds, queries, dk);
            blocks.weigh(count, ds, key_rows, dq);
            write(d_q, from, count, dq);
        }
        write(d_k, 0, keys, dk);
        write(d_v, 0, keys, dv);
    });
}
