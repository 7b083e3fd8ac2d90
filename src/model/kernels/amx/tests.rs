//! The unit against plain sums.

#![allow(unsafe_code, reason = "sends a signal")]

use super::*;
use crate::model::kernels::region::Line;
use half::bf16;

#[test]
fn products_of_tiles_are_those_of_their_numbers() {
    let Some(unit) = Unit::take() else {
        println!("this CPU has no AMX");
        return;
    };
    const DEEP: usize = 3 * DEPTH;
    let number = |seed: usize, i: usize| ((i * 7919 + seed * 131) % 255) as f32 - 127.0;
    let put = |line: &mut Line, at: usize, x: f32| {
        line.0[2 * at..][..2].copy_from_slice(&bf16::from_f32(x).to_le_bytes());
    };
    // Row r of `a`, and column r of `b`, over the depth.
    let a = |r: usize, k: usize| number(1, r * DEEP + k);
    let b = |c: usize, k: usize| number(2, c * DEEP + k);
    let tiles = |of: &dyn Fn(&mut Vec<Line>)| {
        let mut lines = vec![Line([0; 64]); DEEP / DEPTH * LINES];
        of(&mut lines);
        lines
    };
    let left = |first: usize| {
        tiles(&|lines| {
            for (r, k) in (0..SIDE).flat_map(|r| (0..DEEP).map(move |k| (r, k))) {
                put(
                    &mut lines[k / DEPTH * LINES + r],
                    k % DEPTH,
                    a(first + r, k),
                );
            }
        })
    };
    let right = |first: usize| {
        tiles(&|lines| {
            for (c, k) in (0..SIDE).flat_map(|c| (0..DEEP).map(move |k| (c, k))) {
                let line = &mut lines[k / DEPTH * LINES + k % DEPTH / 2];
                put(line, 2 * c + k % 2, b(first + c, k));
            }
        })
    };
    let (a0, a1, b0, b1) = (left(0), left(SIDE), right(0), right(SIDE));
    let mut sums = Sums::ZERO;
    unit.multiply(Factors(&a0, &a1), Factors(&b0, &b1), &mut sums, false);
    let right = |r: usize, c: usize| (0..DEEP).map(|k| a(r, k) * b(c, k)).sum::<f32>();
    for (r, c) in (0..32).flat_map(|r| (0..32).map(move |c| (r, c))) {
        assert_eq!(sums.0[r][c], right(r, c), "{r} {c}");
    }
    unit.multiply(Factors(&a0, &a1), Factors(&b0, &b1), &mut sums, true);
    assert_eq!(sums.0[17][3], 2.0 * right(17, 3));
}

/// What of a handler's stack its thread's registers leave must do for more than a call or two.
#[test]
fn a_handler_has_room_in_a_thread_that_uses_tiles() {
    use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
    static HEARD: AtomicBool = AtomicBool::new(false);
    extern "C" fn hear(_: libc::c_int) {
        let room = std::hint::black_box([1u8; 16 << 10]);
        HEARD.store(room.iter().all(|byte| *byte == 1), SeqCst);
    }
    let thread = std::thread::spawn(|| {
        let Some(unit) = Unit::take() else {
            return false;
        };
        unit.begin(Some(&Sums([[3.0; 32]; 32])));
        // SAFETY: a handler that stores one flag, for a signal that nothing else here sends, to this thread.
        unsafe {
            let mut action: libc::sigaction = std::mem::zeroed();
            action.sa_sigaction = hear as *const () as usize;
            action.sa_flags = libc::SA_ONSTACK;
            libc::sigaction(libc::SIGURG, &raw const action, std::ptr::null_mut());
            libc::raise(libc::SIGURG);
        }
        let mut sums = Sums::ZERO;
        unit.end(&mut sums);
        assert_eq!(sums.0[31][31], 3.0);
        true
    });
    assert_eq!(thread.join().unwrap(), HEARD.load(SeqCst));
}
