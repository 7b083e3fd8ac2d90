mod threads;

use candle_core::Result;
use half::{bf16, f16};

use super::Emulated;
use crate::gpu::driver::{ARGUMENTS, Driver, Element, Kernel, Launch, MatMul, Variant};
use crate::gpu::sources::SOURCES;

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

/// What a product of these sizes comes to, by the device's own way and by the kernel for devices that have none.
fn multiplied(rows: usize, inputs: usize, outputs: usize, stride: usize) -> Result<()> {
    let (x, weight) = (numbers(rows * inputs), numbers(outputs * inputs));
    for element in [Element::F32, Element::F16, Element::BF16] {
        for device in [Emulated::new(0)?, Emulated::narrow(1)?] {
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
                    let most = if element == Element::F32 {
                        1e-3
                    } else {
                        0.1 + 0.01 * inputs as f32
                    };
                    assert!((sum - got).abs() < most, "{element:?}: {sum} {got}");
                }
                assert!(got[outputs..].iter().all(|x| x.is_nan()));
            }
        }
    }
    Ok(())
}

#[test]
fn rows_are_multiplied() -> Result<()> {
    multiplied(3, 19, 5, 7)?;
    // Whole tiles, the beginnings of others, and inputs that come by eights.
    multiplied(64, 48, 64, 64)?;
    multiplied(70, 40, 130, 131)?;
    multiplied(1, 1, 1, 1)
}

#[test]
fn a_kernel_shares_no_more_than_it_says_and_the_device_has() -> Result<()> {
    let device = Emulated::narrow(0)?;
    let greedy = launch(1, 32, &arguments(&[0, 0, 0], [0, 0]));
    let said = device.call(&mut device.state(), "try_greedy", &greedy);
    let said = said.unwrap_err().to_string();
    let wanted = "more does not fit into the 16 bytes that its KERNEL says";
    assert!(said.contains(wanted), "{said}");
    let mut wide = launch(1, 32, &arguments(&[0, 0, 0], [0, 0]));
    wide.shared = 32 << 10;
    let said = device.call(&mut device.state(), "try_unset", &wide);
    let said = said.unwrap_err().to_string();
    let wanted = "try_unset shares 32784 bytes, and 32768 are the most";
    assert!(said.starts_with(wanted), "{said}");
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
