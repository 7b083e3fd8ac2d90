use candle_core::Result;
use half::{bf16, f16};

use super::Emulated;
use super::sources::SOURCES;
use crate::gpu::driver::{ARGUMENTS, Driver, Element, Kernel, Launch, MatMul, Variant};

fn launch(grid: u32, threads: u32, arguments: &[u8]) -> Launch {
    let mut launch = Launch {
        kernel: Kernel::Poke,
        variant: Variant::Only,
        grid: [grid, 1, 1],
        threads,
        shared: 0,
        arguments: [0; ARGUMENTS],
        len: arguments.len(),
    };
    launch.arguments[..arguments.len()].copy_from_slice(arguments);
    launch
}

fn upload<T: bytemuck::NoUninit>(device: &Emulated, data: &[T]) -> Result<u64> {
    let bytes = bytemuck::cast_slice(data);
    let at = device.alloc(bytes.len())?;
    device.upload(at, bytes)?;
    Ok(at)
}

fn read<T: bytemuck::Pod>(device: &Emulated, at: u64, count: usize) -> Result<Vec<T>> {
    let mut out = vec![T::zeroed(); count];
    device.read(at, bytemuck::cast_slice_mut(&mut out))?;
    Ok(out)
}

/// Words of arguments: addresses, then two numbers of 4 bytes.
fn arguments(addresses: &[u64], numbers: [u32; 2]) -> Vec<u8> {
    let numbers = numbers.iter().flat_map(|n| n.to_ne_bytes());
    let addresses = addresses.iter().flat_map(|at| at.to_ne_bytes());
    addresses.chain(numbers).collect()
}

/// Numbers that differ, not all of which a type of two bytes holds.
fn numbers(count: usize) -> Vec<f32> {
    let number = |i: usize| ((i * 37 % 101) as f32 - 50.0) / 17.0;
    (0..count).map(number).collect()
}

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
fn every_source_is_embedded_and_every_list_of_kernels_included() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/src/gpu/kernels");
    let entries = std::fs::read_dir(folder).expect("a folder");
    let names = entries.map(|entry| entry.expect("an entry").file_name());
    let mut found: Vec<String> = names.map(|n| n.to_string_lossy().into_owned()).collect();
    found.sort();
    let mut listed: Vec<&str> = SOURCES.iter().map(|(name, _)| *name).collect();
    listed.sort_unstable();
    assert_eq!(found, listed);
    let (_, all) = SOURCES[0];
    for name in listed.iter().filter(|name| name.ends_with(".inl")) {
        assert!(all.contains(&format!("#include \"{name}\"")), "{name}");
    }
}

#[test]
fn words_are_poked() -> Result<()> {
    let device = Emulated::new(1)?;
    let to = device.alloc(32)?;
    let pairs = upload(&device, &[to, 5u64, (to + 8) | 1, 7, to + 16, u64::MAX - 1])?;
    device.launch(&launch(1, 32, &arguments(&[pairs], [3, 0])))?;
    let words: Vec<u32> = read(&device, to, 8)?;
    let unset = u32::MAX;
    assert_eq!(words, [5, 0, 7, unset, unset - 1, unset, unset, unset]);
    let short = device.launch(&launch(1, 32, &arguments(&[], [3, 0])));
    let said = short.unwrap_err().to_string();
    assert!(
        said.starts_with("poke takes 16 bytes of arguments, not 8"),
        "{said}"
    );
    Ok(())
}

#[test]
fn rows_are_normed_in_any_order_of_threads() -> Result<()> {
    let (rows, width) = (3, 77);
    let (x, weight) = (numbers(rows * width), numbers(width));
    for seed in 0..5 {
        let device = Emulated::new(seed)?;
        let (xs, weights) = (upload(&device, &x)?, upload(&device, &weight)?);
        let out = device.alloc(rows * width * 4)?;
        let arguments = arguments(&[xs, weights, out], [width as u32, 1e-5f32.to_bits()]);
        let mut launch = launch(rows as u32, 64, &arguments);
        launch.kernel = Kernel::RmsNorm;
        device.launch(&launch)?;
        let got: Vec<f32> = read(&device, out, rows * width)?;
        for (row, got) in x.chunks(width).zip(got.chunks(width)) {
            let mean = row.iter().map(|x| x * x).sum::<f32>() / width as f32;
            let by = 1.0 / (mean + 1e-5).sqrt();
            for ((x, w), got) in row.iter().zip(&weight).zip(got) {
                assert!((x * by * w - got).abs() < 1e-5, "{got}");
            }
        }
    }
    Ok(())
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
    let rounds: [(_, fn(f32) -> f32); 2] = [
        ("try_mma_f16", |x| f16::from_f32(x).to_f32()),
        ("try_mma_bf16", |x| bf16::from_f32(x).to_f32()),
    ];
    for (name, round) in rounds {
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
fn numbers_of_two_bytes_are_rounded_to_the_nearest() -> Result<()> {
    let device = Emulated::new(0)?;
    // Every f16, what lies between them, and what is beyond.
    let halves = (0..=u16::MAX).map(|bits| f16::from_bits(bits).to_f32());
    let odd = (0..1u32 << 16).map(|i| f32::from_bits(i.wrapping_mul(0x0001_0003) ^ 0x3800_1000));
    let x: Vec<f32> = halves
        .flat_map(|x| [x, x * 1.000_244_2, x + x.abs() * 0.000_3 + 2e-8])
        .chain(odd)
        .collect();
    let (at, words) = (upload(&device, &x)?, device.alloc(x.len() * 4)?);
    let out = device.alloc(x.len() * 4)?;
    let arguments = arguments(&[at, words, out], [x.len() as u32, 0]);
    let launch = launch(x.len().div_ceil(64) as u32, 64, &arguments);
    device.call(&mut device.state(), "try_numbers", &launch)?;
    let bits: Vec<u32> = read(&device, out, x.len())?;
    let wide: Vec<f32> = read(&device, words, x.len())?;
    for ((x, bits), wide) in x.iter().zip(bits).zip(wide) {
        let (h, b) = (
            f16::from_bits(bits as u16),
            bf16::from_bits((bits >> 16) as u16),
        );
        if x.is_nan() {
            assert!(h.is_nan() && b.is_nan() && wide.is_nan());
        } else {
            assert_eq!(h.to_bits(), f16::from_f32(*x).to_bits(), "{x}");
            assert_eq!(b.to_bits(), bf16::from_f32(*x).to_bits(), "{x}");
            assert_eq!(wide.to_bits(), h.to_f32().to_bits(), "{x}");
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

#[test]
fn memory_is_counted_and_has_an_end() -> Result<()> {
    let device = Emulated::limited(0, 1000)?;
    let (first, second) = (device.alloc(600)?, device.alloc(300)?);
    let full = device.alloc(101).unwrap_err().to_string();
    assert!(full.contains("memory is full"), "{full}");
    device.free(first, 600);
    assert_eq!((device.used(), device.peak()), (300, 900));
    assert_eq!(device.memory(), Some((700, 1000)));
    device.upload(second + 299, &[1])?;
    assert!(device.upload(second + 300, &[1]).is_err());
    assert!(device.read(first, &mut [0; 4]).is_err());
    assert!(device.copy(second, second + 100, 101).is_err());
    device.copy(second + 200, second, 100)?;
    assert_eq!(read::<u8>(&device, second + 98, 2)?, [0xff, 1]);
    let counts = device.counts();
    assert_eq!(
        (counts.allocations, counts.uploads, counts.copies),
        (3, 2, 2)
    );
    assert_eq!(counts.read_bytes, 6);
    Ok(())
}

#[test]
fn rows_are_multiplied() -> Result<()> {
    let (rows, inputs, outputs, stride) = (3, 19, 5, 7);
    let (x, weight) = (numbers(rows * inputs), numbers(outputs * inputs));
    for element in [Element::F32, Element::F16, Element::BF16] {
        let device = Emulated::new(0)?;
        let put = |all: &[f32]| match element {
            Element::F32 => upload(&device, all),
            Element::F16 => upload(
                &device,
                &all.iter().map(|x| f16::from_f32(*x)).collect::<Vec<_>>(),
            ),
            Element::BF16 => upload(
                &device,
                &all.iter().map(|x| bf16::from_f32(*x)).collect::<Vec<_>>(),
            ),
        };
        let out = device.alloc(rows * stride * 4)?;
        device.multiply(&MatMul {
            element,
            weight: put(&weight)?,
            x: put(&x)?,
            out,
            rows,
            inputs,
            outputs,
            stride,
        })?;
        let got: Vec<f32> = read(&device, out, rows * stride)?;
        for (row, got) in got.chunks(stride).enumerate() {
            for (o, got) in got[..outputs].iter().enumerate() {
                let term = |i: usize| x[row * inputs + i] * weight[o * inputs + i];
                let sum: f32 = (0..inputs).map(term).sum();
                assert!((sum - got).abs() < 0.15, "{element:?}: {sum} {got}");
            }
            assert!(got[outputs..].iter().all(|x| x.is_nan()));
        }
    }
    Ok(())
}

#[test]
fn a_list_is_run_again_until_it_is_forgotten() -> Result<()> {
    let device = Emulated::new(0)?;
    let to = upload(&device, &[0u64, 0])?;
    let pairs = upload(&device, &[to, 5u64, to + 8, 6])?;
    let poke = |at, count| launch(1, 32, &arguments(&[at], [count, 0]));
    let list = [poke(pairs, 1), poke(pairs + 16, 1)];
    let recorded = device.record(&list)?.expect("it is recorded");
    assert_eq!(read::<u64>(&device, to, 2)?, [0, 0]);
    device.replay(recorded)?;
    assert_eq!(read::<u64>(&device, to, 2)?, [5, 6]);
    device.forget(recorded);
    assert!(device.replay(recorded).is_err());
    let counts = device.counts();
    assert_eq!((counts.records, counts.replays, counts.replayed), (1, 1, 2));
    assert_eq!(counts.launches, 0);
    Ok(())
}
