//! What holds on a card. Where none can be opened, that is an error like others, and nothing else is tested.

use super::Cuda;
use crate::gpu::driver::{ARGUMENTS, Driver, Element, Kernel, Launch, MatMul, Variant};

fn card() -> Option<Cuda> {
    match Cuda::open(0) {
        Ok(card) => Some(card),
        Err(why) => {
            eprintln!("no card: {why}");
            None
        }
    }
}

/// A buffer with these bytes.
fn given(card: &Cuda, bytes: &[u8]) -> u64 {
    let at = card.alloc(bytes.len()).expect("memory");
    card.upload(at, bytes).expect("an upload");
    at
}

fn floats(card: &Cuda, at: u64, count: usize) -> Vec<f32> {
    let mut numbers = vec![0.0; count];
    card.read(at, bytemuck::cast_slice_mut(&mut numbers))
        .expect("a read");
    numbers
}

/// `poke` of words of eight bytes.
fn poke(pairs: u64, count: u32) -> Launch {
    let mut arguments = [0; ARGUMENTS];
    arguments[..8].copy_from_slice(&pairs.to_le_bytes());
    arguments[8..12].copy_from_slice(&count.to_le_bytes());
    Launch {
        kernel: Kernel::Poke,
        variant: Variant::Only,
        grid: [1, 1, 1],
        threads: 32,
        shared: 0,
        arguments,
        len: 16,
    }
}

#[test]
fn a_card_that_is_not_there_is_an_error() {
    assert!(Cuda::open(1000).is_err());
}

#[test]
fn bytes_come_back_as_they_were_sent() {
    let Some(card) = card() else { return };
    eprintln!("{:?}, free and all: {:?}", card.info(), card.memory());
    for len in [0, 1, 64 << 10, (64 << 10) + 1, 20 << 20] {
        let sent: Vec<u8> = (0..len).map(|i| (i * 31 % 251) as u8).collect();
        let from = given(&card, &sent);
        let to = card.alloc(len).expect("memory");
        assert_eq!((from % 256, to % 256), (0, 0));
        card.copy(from, to, len).expect("a copy");
        let mut got = vec![0; len];
        card.read(to, &mut got).expect("a read");
        assert!(got == sent, "{len} bytes");
        card.free(from, len);
        card.free(to, len);
    }
    // More small uploads than there is room for at a time.
    let at = card.alloc(4 << 20).expect("memory");
    for i in 0..1000_usize {
        let place = at + (i * 4096) as u64;
        card.upload(place, &[(i % 256) as u8; 4096])
            .expect("an upload");
    }
    let mut got = vec![0; 1000 * 4096];
    card.read(at, &mut got).expect("a read");
    assert!(
        got.chunks(4096)
            .enumerate()
            .all(|(i, page)| page.iter().all(|b| *b == (i % 256) as u8))
    );
}

#[test]
fn more_memory_than_there_is_is_an_error_and_not_the_end() {
    let Some(card) = card() else { return };
    let error = card.alloc(1 << 50).expect_err("a petabyte").to_string();
    assert!(error.contains("memory is full"), "{error}");
    card.free(card.alloc(1 << 20).expect("memory"), 1 << 20);
}

#[test]
fn launches_run_now_or_recorded_from_any_thread() {
    let Some(card) = card() else { return };
    let target = given(&card, &[0; 16]);
    let pairs = |values: [u64; 2]| {
        let words = [target, values[0], target + 8, values[1]];
        given(&card, bytemuck::cast_slice(&words))
    };
    let first = poke(pairs([1, 2]), 2);
    let second = poke(pairs([3, 4]), 1);
    let words = || {
        let mut bytes = [0; 16];
        card.read(target, &mut bytes).expect("a read");
        bytemuck::cast::<_, [u64; 2]>(bytes)
    };
    card.launch(&first).expect("a launch");
    assert_eq!(words(), [1, 2]);
    let recorded = card.record(&[second, first, second]);
    let recorded = recorded.expect("a recording").expect("a graph");
    // Nothing has run yet.
    assert_eq!(words(), [1, 2]);
    let replayed = std::thread::scope(|scope| {
        scope
            .spawn(|| card.replay(recorded))
            .join()
            .expect("a thread")
    });
    replayed.expect("a replay");
    assert_eq!(words(), [3, 2]);
    // A launch that no card takes: the recording is given up, and the stream goes on.
    let wrong = Launch {
        threads: 1 << 20,
        ..first
    };
    assert_eq!(card.record(&[first, wrong]).expect("no recording"), None);
    card.launch(&first).expect("a launch");
    assert_eq!(words(), [1, 2]);
    card.forget(recorded);
    assert!(card.replay(recorded).is_err());
    let took = card.elapsed(|| card.launch(&first)).expect("a time");
    eprintln!("one launch: {took} ms");
}

#[test]
fn products_are_those_of_the_host() {
    let Some(card) = card() else { return };
    let (rows, inputs, outputs, stride) = (3, 64, 40, 48);
    // Small whole numbers: exact in any type.
    let number = |i: usize| ((i * 7 + i / 5) % 9) as f32 - 4.0;
    let x: Vec<f32> = (0..rows * inputs).map(number).collect();
    let weight: Vec<f32> = (0..outputs * inputs).map(|i| number(i + 3)).collect();
    for element in [Element::F32, Element::F16, Element::BF16] {
        let device = |numbers: &[f32]| {
            let bytes: Vec<u8> = match element {
                Element::F32 => bytemuck::cast_slice(numbers).to_vec(),
                Element::F16 => numbers
                    .iter()
                    .flat_map(|x| half::f16::from_f32(*x).to_le_bytes())
                    .collect(),
                Element::BF16 => numbers
                    .iter()
                    .flat_map(|x| half::bf16::from_f32(*x).to_le_bytes())
                    .collect(),
            };
            given(&card, &bytes)
        };
        let out = given(&card, bytemuck::cast_slice(&[0.5_f32; 3 * 48]));
        let product = MatMul {
            element,
            weight: device(&weight),
            x: device(&x),
            out,
            rows,
            inputs,
            outputs,
            stride,
        };
        card.multiply(&product).expect("a product");
        let got = floats(&card, out, rows * stride);
        for (row, got) in got.chunks(stride).enumerate() {
            for (o, got) in got.iter().enumerate() {
                let dot =
                    (0..inputs).map(|i| x[row * inputs + i] * weight[(o % outputs) * inputs + i]);
                let expected = if o < outputs { dot.sum() } else { 0.5 };
                assert_eq!(*got, expected, "{element:?}, row {row}, output {o}");
            }
        }
    }
}

/// The last one on a card: nothing can be done with it afterwards, in this process. So it is asked for by name.
#[test]
#[ignore = "spoils the card for all other tests of the process"]
fn a_kernel_that_goes_astray_is_an_error_of_the_next_wait() {
    let Some(card) = card() else { return };
    card.launch(&poke(1 << 60, 1)).expect("a launch");
    let error = card
        .read(0, &mut [])
        .expect_err("an illegal address")
        .to_string();
    eprintln!("{error}");
    assert!(card.alloc(256).is_err());
    assert!(card.launch(&poke(1 << 60, 1)).is_err());
}
