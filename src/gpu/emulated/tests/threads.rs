//! Threads of a group: their order, what they share and where they meet.

use candle_core::Result;
use half::{bf16, f16};

use super::{Emulated, arguments, launch, numbers, read, upload};
use crate::gpu::driver::Driver;

/// One of `test.inl`'s kernels: what it leaves in `len` numbers.
struct Try<'d> {
    device: &'d Emulated,
    name: &'static str,
    x: &'d [f32],
    len: usize,
    grid: u32,
    threads: u32,
    count: u32,
    kind: u32,
}

impl Try<'_> {
    fn run(&self) -> Result<Vec<f32>> {
        let device = self.device;
        let x = upload(device, self.x)?;
        let words = upload(device, &vec![0u32; self.x.len().max(1)])?;
        let out = device.alloc(self.len * 4)?;
        let arguments = arguments(&[x, words, out], [self.count, self.kind]);
        let mut launch = launch(self.grid, self.threads, &arguments);
        launch.shared = 64;
        device.call(&mut device.state(), self.name, &launch)?;
        read(device, out, self.len)
    }
}

fn attempt<'d>(device: &'d Emulated, name: &'static str, x: &'d [f32]) -> Try<'d> {
    Try {
        device,
        name,
        x,
        len: x.len(),
        grid: 1,
        threads: 32,
        count: x.len() as u32,
        kind: 0,
    }
}

#[test]
fn a_groups_sum_is_the_same_in_any_order_of_threads() -> Result<()> {
    let x = numbers(5 * 256 - 9);
    for name in ["try_sum_f32", "try_sum_f16"] {
        let mut first = None;
        for seed in 0..8 {
            let device = Emulated::new(seed)?;
            let sum = Try {
                len: 5,
                grid: 5,
                threads: 256,
                ..attempt(&device, name, &x)
            };
            let got = sum.run()?;
            for (got, x) in got.iter().zip(x.chunks(256)) {
                let sum: f32 = x.iter().sum();
                assert!((sum - got).abs() < 0.3, "{sum} {got}");
            }
            assert_eq!(*first.get_or_insert(got.clone()), got);
        }
    }
    Ok(())
}

#[test]
fn the_order_of_threads_and_groups_follows_from_the_seed() -> Result<()> {
    let order = |seed| {
        let device = Emulated::new(seed)?;
        let x = vec![0.0; 256];
        Try {
            grid: 4,
            threads: 64,
            ..attempt(&device, "try_order", &x)
        }
        .run()
    };
    let (first, again, other) = (order(1)?, order(1)?, order(2)?);
    assert_eq!(first, again);
    assert_ne!(first, other);
    let mut all = first.clone();
    all.sort_by(f32::total_cmp);
    assert_eq!(all, (0..256).map(|i| i as f32).collect::<Vec<_>>());
    // A group's threads have 64 numbers in a row, wherever its turn is.
    for group in first.chunks(64) {
        let (least, most) = group
            .iter()
            .fold((f32::MAX, 0.0f32), |(a, b), x| (a.min(*x), b.max(*x)));
        assert_eq!(most - least, 63.0);
    }
    Ok(())
}

#[test]
fn lanes_exchange_sum_and_compare() -> Result<()> {
    let x = numbers(128);
    for seed in 0..5 {
        let device = Emulated::new(seed)?;
        let warps = |kind| {
            Try {
                threads: 128,
                kind,
                ..attempt(&device, "try_warp", &x)
            }
            .run()
        };
        let (sums, most, swapped, often) = (warps(0)?, warps(1)?, warps(2)?, warps(3)?);
        for (i, x32) in x.chunks(32).enumerate() {
            let of = |all: &[f32]| all[32 * i..][..32].to_vec();
            let sum: f32 = x32.iter().sum();
            assert!(of(&sums).iter().all(|got| (got - sum).abs() < 1e-4));
            let greatest = x32.iter().copied().fold(f32::MIN, f32::max);
            assert_eq!(of(&most), [greatest; 32]);
            let lanes = |mask: usize| (0..32).map(move |lane| x32[lane ^ mask]);
            assert_eq!(of(&swapped), lanes(5).collect::<Vec<_>>());
            let mask = (0..40).fold(0, |mask, i| mask ^ (i % 32));
            let rounded = lanes(mask).map(|x| f16::from_f32(x).to_f32());
            assert_eq!(of(&often), rounded.collect::<Vec<_>>());
        }
    }
    Ok(())
}

#[test]
fn a_warp_multiplies_as_plain_loops_do() -> Result<()> {
    let x = numbers(16 * 16 + 16 * 8);
    for name in ["try_mma_f16", "try_mma_bf16"] {
        let round = |x: f32| match name {
            "try_mma_f16" => f16::from_f32(x).to_f32(),
            _ => bf16::from_f32(x).to_f32(),
        };
        let device = Emulated::new(3)?;
        let got = Try {
            len: 128,
            ..attempt(&device, name, &x)
        }
        .run()?;
        for (i, got) in got.iter().enumerate() {
            let (row, column) = (i / 8, i % 8);
            let term = |k: usize| round(x[row * 16 + k]) * round(x[256 + k * 8 + column]);
            let sum: f32 = (0..16).map(term).sum();
            assert!((2.0 * sum - got).abs() < 1e-4, "{name} {i}: {sum} {got}");
        }
    }
    Ok(())
}

#[test]
fn what_was_never_written_is_no_number() -> Result<()> {
    let device = Emulated::new(0)?;
    let at = device.alloc(10)?;
    assert_eq!(at % 256, 0);
    assert!(read::<f32>(&device, at, 2)?.iter().all(|x| x.is_nan()));
    // Shared memory, also where another launch used it.
    for _ in 0..2 {
        let unset = attempt(&device, "try_unset", &[0.0, 0.0]).run()?;
        assert!(unset.iter().all(|x| x.is_nan()));
    }
    Ok(())
}

#[test]
fn threads_that_do_not_meet_are_an_error() -> Result<()> {
    let device = Emulated::new(0)?;
    let bug = |kind, threads| {
        let bug = Try {
            kind,
            threads,
            ..attempt(&device, "try_bugs", &[0.0])
        };
        bug.run().map_err(|error| error.to_string())
    };
    for kind in [0, 1, 3] {
        let said = bug(kind, 64).expect_err("a bug");
        let known = said.contains("divergent rendezvous") || said.contains("is stuck");
        assert!(known && said.contains("BARRIER at test.inl"), "{said}");
    }
    // A whole warp may meet while the others wait elsewhere.
    assert!(bug(2, 64).is_ok());
    assert_eq!(bug(9, 64).map(|out| out.len()), Ok(1));
    assert!(bug(9, 48).is_err() && bug(9, 0).is_err() && bug(9, 2048).is_err());
    Ok(())
}

/// A copy that nobody waits for may never have been made: so it is not.
#[test]
fn copies_are_there_when_they_are_waited_for_and_not_before() -> Result<()> {
    let device = Emulated::new(0)?;
    let x = [2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0, 9.0];
    let copied = |kind| {
        let copies = Try {
            kind,
            ..attempt(&device, "try_copies", &x)
        };
        copies.run()
    };
    assert_eq!(copied(0)?, [1.0; 8]);
    assert_eq!(copied(1)?, [2.0, 3.0, 4.0, 5.0, 1.0, 1.0, 1.0, 1.0]);
    assert_eq!(copied(2)?, x);
    let said = copied(3).expect_err("not aligned").to_string();
    assert!(said.contains("a copy that is not aligned"), "{said}");
    Ok(())
}
